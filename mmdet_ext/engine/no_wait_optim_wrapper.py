"""Gradient clipping without a wait for the device."""
from typing import Any

from mmdet.registry import OPTIM_WRAPPERS
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from torch import nn

from .lazy_scalars import update_scalars


class NoWaitMixin:
    """Log the norm of the gradients as a tensor, which `lazy_scalars` reads when the log is written.

    mmengine copies it to the host in each step, and waits for it.

    Attributes:
        clip_order: Parameters in the order in which their norms are summed, because a sum of floats depends on it.
            None: the order of the optimizer's groups.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.clip_order: list[nn.Parameter] | None = None

    def _clip_grad(self) -> None:
        ordered = self.clip_order or [p for group in self.optimizer.param_groups for p in group['params']]
        parameters = [parameter for parameter in ordered if parameter.requires_grad and parameter.grad is not None]
        if parameters:
            norm = self.clip_func(parameters, **self.clip_grad_kwargs)
            if norm is not None:  # clip_grad_value_ returns none
                update_scalars(self.message_hub, {f'train/{self.grad_name}': norm})


@OPTIM_WRAPPERS.register_module()
class NoWaitOptimWrapper(NoWaitMixin, OptimWrapper):
    """`OptimWrapper` that does not wait for the norm of the gradients; the arguments are the same."""


@OPTIM_WRAPPERS.register_module()
class AmpNoWaitOptimWrapper(NoWaitMixin, AmpOptimWrapper):
    """`AmpOptimWrapper` that does not wait for the norm of the gradients; the arguments are the same."""
