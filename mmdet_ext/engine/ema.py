"""An exponential moving average (EMA) of the weights, whose decay may ramp up."""
import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn as nn
from mmdet.registry import HOOKS, MODELS
from mmengine.hooks import EMAHook
from mmengine.model import BaseAveragedModel
from mmengine.runner import Runner
from torch import Tensor

from ..checkpoints.file_policy import check_resumed

Tensors = Mapping[str, Tensor]


@MODELS.register_module()
class RampedEMA(BaseAveragedModel):
    """average = d * average + (1 - d) * weights, where d = decay * (1 - exp(-u / tau)) at update u = 1, 2, ...

    The average begins with the weights that the model has when the average is made. Running statistics of batch norms
    are averaged too; integer tensors are copied. All tensors are updated in one call, a tensor that several modules
    share only once, and no value is read from the device. mmengine's `ExponentialMovingAverage` and mmdet's
    `ExpMomentumEMA` copy the model at the first update instead, and update tensor by tensor.

    Args:
        model: The model to average.
        decay: Limit of d, 0 to 1.
        tau: Updates after which d is 63 % of the limit. 0: d is `decay` from the first update on.
        device: Where the average is kept. None: where the model is.
    """

    def __init__(self, model: nn.Module, *, decay: float = 0.9999, tau: float = 2000.,
                 device: torch.device | None = None) -> None:
        if not 0 <= decay <= 1:
            raise ValueError(f'decay must be between 0 and 1, got {decay}')
        if tau < 0:
            raise ValueError(f'tau must be at least 0, got {tau}')
        super().__init__(model, device=device, update_buffers=True)
        self.decay = decay
        self.tau = tau
        tensors = self.module.state_dict(keep_vars=True)
        first = {id(tensor): name for name, tensor in reversed(tensors.items())}
        self.avg_parameters = {name: self.avg_parameters[name] for name, tensor in tensors.items()
                               if first[id(tensor)] == name}
        self._count = 0
        self._seen: tuple[int, int] | None = None

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        updates = self.count_update()
        decay = self.decay * (1 - math.exp(-updates / self.tau)) if self.tau else self.decay
        sources = self.sources(model)
        floats = {name: value for name, value in self.avg_parameters.items() if value.is_floating_point()}
        others = {name: value for name, value in self.avg_parameters.items() if name not in floats}
        if floats:
            torch._foreach_lerp_(list(floats.values()), _like(floats, sources), 1 - decay)
        if others:
            torch._foreach_copy_(list(others.values()), _like(others, sources))

    def count_update(self) -> int:
        """Add 1 to `steps` and return it. The tensor is read from the device only if something else has changed it,
        such as loading a checkpoint."""
        if self._seen != (id(self.steps), self.steps._version):
            self._count = int(self.steps)
        self.steps += 1
        self._count += 1
        self._seen = id(self.steps), self.steps._version
        return self._count

    def sources(self, model: nn.Module) -> Tensors:
        """Tensors of the model by name, those of `avg_parameters` among them."""
        tensors = dict(model.named_parameters(remove_duplicate=False))
        tensors.update(model.named_buffers(remove_duplicate=False))
        return tensors if self.avg_parameters.keys() <= tensors.keys() else model.state_dict()

    def avg_func(self, averaged_param: Tensor, source_param: Tensor, steps: int) -> None:
        raise NotImplementedError('RampedEMA updates all tensors at once, in update_parameters')


def _like(averages: Tensors, sources: Tensors) -> list[Tensor]:
    return [sources[name].to(average.device) for name, average in averages.items()]


@HOOKS.register_module()
class StepEMAHook(EMAHook):
    """`EMAHook` that begins with the initial weights, and updates once per optimizer step instead of per iteration.

    Args:
        ema_type: Name of the averaged model; `kwargs` are its arguments, as for `EMAHook`.
    """

    def __init__(self, ema_type: str = 'RampedEMA', **kwargs: Any) -> None:
        super().__init__(ema_type=ema_type, **kwargs)

    def before_train(self, runner: Runner) -> None:
        super().before_train(runner)
        # The runner initialises or loads the model's weights after `before_run`, which made the copy.
        if self.ema_model.steps == 0:
            self.ema_model.module.load_state_dict(self.src_model.state_dict())

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if runner._resume:
            check_resumed(runner, checkpoint)
        bare = 'state_dict' not in checkpoint  # a state dict alone, read without the help of `compat.apply`
        super().after_load_checkpoint(runner, dict(state_dict=checkpoint) if bare else checkpoint)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None,
                         outputs: dict | None = None) -> None:
        if getattr(runner.optim_wrapper, 'stepped', True):
            super().after_train_iter(runner, batch_idx, data_batch, outputs)
