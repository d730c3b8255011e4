"""Exponential moving average of the weights whose decay rises from 0 to its limit."""
import math
from typing import Any

import torch
import torch.nn as nn
from mmdet.registry import HOOKS, MODELS
from mmengine.hooks import EMAHook
from mmengine.model import BaseAveragedModel
from mmengine.runner import Runner


@MODELS.register_module()
class RampedEMA(BaseAveragedModel):
    """Average that keeps d = decay * (1 - exp(-u / tau)) of itself at update u = 1, 2, ... and takes 1 - d anew.

    Running statistics are averaged too; integers are copied. mmdet's `ExpMomentumEMA` has the same decay, but copies
    the model at the first update, and it updates tensor by tensor.

    Args:
        model: The model to average.
        decay: Limit of d, 0 to 1.
        tau: Updates after which d is 63 % of the limit.
        device: Where the average is kept. None: where the model is.
    """

    def __init__(self, model: nn.Module, *, decay: float = 0.9999, tau: float = 2000.,
                 device: torch.device | None = None) -> None:
        if not 0 <= decay <= 1:
            raise ValueError(f'decay must be between 0 and 1, got {decay}')
        if tau <= 0:
            raise ValueError(f'tau must be positive, got {tau}')
        super().__init__(model, device=device, update_buffers=True)
        self.decay = decay
        self.tau = tau

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        self.steps += 1
        decay = self.decay * (1 - math.exp(-self.steps.item() / self.tau))
        sources = model.state_dict()
        averages, values = [], []
        for name, average in self.avg_parameters.items():
            value = sources[name].to(average.device)
            if average.is_floating_point():
                averages.append(average)
                values.append(value)
            else:
                average.copy_(value)
        torch._foreach_lerp_(averages, values, 1 - decay)

    def avg_func(self, averaged_param: torch.Tensor, source_param: torch.Tensor, steps: int) -> None:
        raise NotImplementedError('RampedEMA updates all tensors at once, in update_parameters')


@HOOKS.register_module()
class YOLOEMAHook(EMAHook):
    """`EMAHook` that updates once per step of the optimizer, not per iteration, where gradients are accumulated.

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

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None,
                         outputs: dict | None = None) -> None:
        if getattr(runner.optim_wrapper, 'stepped', True):
            super().after_train_iter(runner, batch_idx, data_batch, outputs)
