"""Gradient accumulation that sums, for losses that count images instead of averaging over them."""
from typing import Any

import torch.nn as nn
from mmdet.registry import OPTIM_WRAPPERS
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from torch import Tensor

from .no_wait_optim_wrapper import NoWaitMixin


class _SumMixin(NoWaitMixin):
    """Make an optimizer step after each `accumulative_counts` iterations, on the sum of their gradients.

    mmengine divides the loss by the number of iterations. A loss that is summed over the images of a batch must not
    be: four iterations of 16 images stand for one of 64.

    `accumulative_counts` may be changed between iterations, as a warm-up does. As published, gradients that are
    accumulated at the end of the training without a step are dropped. If a run is stopped, such gradients are not in
    its checkpoint: a resumed run begins to count anew.

    Attributes:
        stepped: Whether the last `update_params` changed the parameters.
        batch_size_per_gpu: Batch size for which the optimizer's options were computed; None: unknown.
        nominal_counts: Nominal batch size / batch size, not rounded; None: use `accumulative_counts`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.batch_size_per_gpu: int | None = None
        self.nominal_counts: float | None = None
        self._last_step_count = 0

    @property
    def accumulative_counts(self) -> int:
        return self._accumulative_counts

    @accumulative_counts.setter
    def accumulative_counts(self, counts: int) -> None:
        if counts < 1:
            raise ValueError(f'accumulative_counts must be at least 1, got {counts}')
        self._accumulative_counts = counts

    @property
    def stepped(self) -> bool:
        return self._last_step_count == self._inner_count

    def scale_loss(self, loss: Tensor) -> Tensor:
        return loss

    def should_update(self) -> bool:
        return self._is_due(self._inner_count)

    def should_sync(self) -> bool:
        return self._is_due(self._inner_count + 1)

    def step(self, **kwargs: Any) -> None:
        super().step(**kwargs)
        self._last_step_count = self._inner_count

    def initialize_count_status(self, model: nn.Module, init_counts: int, max_counts: int) -> None:
        super().initialize_count_status(model, init_counts, max_counts)
        self._last_step_count = init_counts

    def _is_due(self, count: int) -> bool:
        return count - self._last_step_count >= self._accumulative_counts


@OPTIM_WRAPPERS.register_module()
class SumOptimWrapper(_SumMixin, OptimWrapper):
    """`OptimWrapper` that adds up the gradients of `accumulative_counts` iterations; arguments as there."""


@OPTIM_WRAPPERS.register_module()
class AmpSumOptimWrapper(_SumMixin, AmpOptimWrapper):
    """`AmpOptimWrapper` that adds up the gradients of `accumulative_counts` iterations; arguments as there."""
