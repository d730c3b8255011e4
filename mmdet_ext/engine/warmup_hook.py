"""Warm-up of learning rates, momentum and accumulation, iteration by iteration."""
from typing import Any

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner


@HOOKS.register_module()
class YOLOWarmupHook(Hook):
    """Move learning rates and momentum linearly to the values of mmengine's schedulers.

    Over the first max(round(warmup_epochs * iterations per epoch), min_iters) iterations, the learning rate of weights
    goes from 0 to the scheduled value of the current epoch, the learning rate of the group with `role` 'bias' from
    `bias_lr`, and the momentum from `start_momentum`. The number of accumulated iterations goes from 1 to nominal batch
    / batch and is rounded in each iteration; if the config sets `accumulative_counts`, it goes to that number.

    Schedulers compute the next value from the current one. So this hook sets its values before an iteration and
    restores the scheduled ones after it: schedulers and checkpoints see scheduled values only. The log shows those of
    the warm-up as `lr`, and the scheduled ones as `base_lr`.

    Args:
        warmup_epochs: Length in epochs.
        min_iters: Lower limit of the length in iterations.
        bias_lr: Learning rate of biases in iteration 0.
        start_momentum: Momentum in iteration 0.
    """

    priority = 'HIGHEST'  # before RuntimeInfoHook, which logs the learning rate

    def __init__(self, warmup_epochs: float = 3, min_iters: int = 100, bias_lr: float = 0.1,
                 start_momentum: float = 0.8) -> None:
        self.warmup_epochs = warmup_epochs
        self.min_iters = min_iters
        self.bias_lr = bias_lr
        self.start_momentum = start_momentum
        self._scheduled: list[dict] = []
        self._num_iters = 0
        self._counts = 1.

    def before_train(self, runner: Runner) -> None:
        self._num_iters = max(round(self.warmup_epochs * len(runner.train_dataloader)), self.min_iters)
        wrapper = runner.optim_wrapper
        self._counts = getattr(wrapper, 'nominal_counts', None) or getattr(wrapper, 'accumulative_counts', 1)
        expected, batch_size = getattr(wrapper, 'batch_size_per_gpu', None), runner.train_dataloader.batch_size
        if expected is not None and batch_size is not None and expected != batch_size:
            raise ValueError(f'optim_wrapper.paramwise_cfg.batch_size_per_gpu is {expected}, '
                             f'train_dataloader.batch_size {batch_size}: weight decay and accumulation would be '
                             'those of another batch size')

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        groups = runner.optim_wrapper.optimizer.param_groups
        self._scheduled = [{key: group[key] for key in ('lr', 'momentum') if key in group} for group in groups]
        if runner.iter > self._num_iters:
            return
        done = runner.iter / self._num_iters
        for group, scheduled in zip(groups, self._scheduled, strict=True):
            start = self.bias_lr if group.get('role') == 'bias' else 0.
            group['lr'] = _between(start, scheduled['lr'], done)
            if 'momentum' in group:
                group['momentum'] = _between(self.start_momentum, scheduled['momentum'], done)
        if self._counts > 1:
            runner.optim_wrapper.accumulative_counts = max(round(_between(1, self._counts, done)), 1)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None,
                         outputs: dict | None = None) -> None:
        for group, scheduled in zip(runner.optim_wrapper.optimizer.param_groups, self._scheduled, strict=True):
            group.update(scheduled)


def _between(start: float, end: float, done: float) -> float:
    return start + (end - start) * done
