"""The learning-rate schedules of MDETR (https://arxiv.org/abs/2104.12763), where the text encoder has its own."""
from collections.abc import Callable
from typing import Any, NamedTuple

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner


class Progress(NamedTuple):
    """The state of a training, and the arguments of its schedule."""
    step: int  # iteration, from 0
    num_steps: int  # of the whole training
    epoch: int  # from 0
    lr_drop: int  # in epochs
    num_warmup_steps: int


@HOOKS.register_module()
class MDETRLrHook(Hook):
    """Set the learning rate of each parameter group after each iteration, as a factor of the group's own rate.

    - linear_with_warmup: the text encoder's factor rises linearly from 0 to 1 in the warm-up and falls linearly to 0 at
      the end of the training; all others are divided by 10 after each `lr_drop` epochs.
    - all_linear_with_warmup: all have the text encoder's factor.
    - step: all times 0.1 after each `lr_drop` epochs.
    - multistep: all times 0.5 from epoch `lr_drop` on, and again after each further 50 epochs.

    As published, the rate for an iteration is set after it: iteration 0 has the factor 1, and iteration i the factor
    that the schedule gives for i - 1. The hook saves no state of its own. A resumed training goes on as if it had not
    been stopped; if its length or this hook's arguments have changed, it has the rates of a training that had them from
    the beginning. The hook replaces `param_scheduler`, which must be empty: mmengine's schedulers cannot treat the text
    encoder in another way than the rest.

    Args:
        schedule: One of the above.
        lr_drop: Epoch of the (first) drop.
        warmup_fraction: Share of all iterations that warm up.
        text_key: Parameters whose names contain it belong to the text encoder, as in mmengine's `custom_keys`.
    """

    priority = 'LOW'  # as mmengine's ParamSchedulerHook: before the checkpoint is written

    def __init__(self, schedule: str = 'linear_with_warmup', *, lr_drop: int = 35, warmup_fraction: float = 0.01,
                 text_key: str = 'text_encoder') -> None:
        if schedule not in SCHEDULES:
            raise ValueError(f'schedule must be one of {tuple(SCHEDULES)}, got {schedule!r}')
        if lr_drop < 1:
            raise ValueError(f'lr_drop must be at least 1 epoch, got {lr_drop}')
        if not 0 <= warmup_fraction < 1:
            raise ValueError(f'warmup_fraction must be in [0, 1), got {warmup_fraction}')
        self.schedule = schedule
        self.lr_drop = lr_drop
        self.warmup_fraction = warmup_fraction
        self.text_key = text_key
        self._is_text: list[bool] = []

    def before_train(self, runner: Runner) -> None:
        if runner.param_schedulers:
            raise ValueError('MDETRLrHook sets the learning rates: param_scheduler must be None, got '
                             f'{runner.param_schedulers}')
        if self.schedule != 'all_linear_with_warmup' and not isinstance(runner.train_loop, EpochBasedTrainLoop):
            raise ValueError(f'schedule {self.schedule!r} counts epochs, got {type(runner.train_loop).__name__}')
        names = {parameter: name for name, parameter in runner.model.named_parameters()}
        groups = runner.optim_wrapper.param_groups  # the last one may hold nothing: mmengine logs its rate as base_lr
        self._is_text = [self._belongs_to_text([names.get(parameter, '') for parameter in group['params']])
                         for group in groups]
        if self.schedule == 'linear_with_warmup' and not any(self.text_key in name for name in names.values()):
            raise ValueError(f'no parameter of the model has text_key={self.text_key!r} in its name')
        for group in groups:
            group.setdefault('initial_lr', group['lr'])  # kept by the optimizer's state, where a training resumes
        if runner.iter:
            self._set_rates(runner, runner.iter - 1, (runner.iter - 1) // len(runner.train_dataloader))

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None,
                         outputs: dict | None = None) -> None:
        self._set_rates(runner, runner.iter, runner.epoch)

    def _set_rates(self, runner: Runner, step: int, epoch: int) -> None:
        num_warmup_steps = round(self.warmup_fraction * runner.max_iters)
        progress = Progress(step, runner.max_iters, epoch, self.lr_drop, num_warmup_steps)
        text_factor, factor = SCHEDULES[self.schedule](progress)
        for group, is_text in zip(runner.optim_wrapper.param_groups, self._is_text, strict=True):
            group['lr'] = group['initial_lr'] * (text_factor if is_text else factor)

    def _belongs_to_text(self, names: list[str]) -> bool:
        text_names = [name for name in names if self.text_key in name]
        if self.schedule == 'linear_with_warmup' and 0 < len(text_names) < len(names):
            other = next(name for name in names if self.text_key not in name)
            raise ValueError(f'{text_names[0]} and {other} are in one parameter group: give the text encoder its own '
                             f'with optim_wrapper.paramwise_cfg.custom_keys={{{self.text_key!r}: '
                             f"dict(lr_mult=..., role='text_encoder')}}")
        return bool(text_names)


def _linear_with_warmup(progress: Progress) -> tuple[float, float]:
    return _warmup_and_decay(progress), 0.1**(progress.epoch // progress.lr_drop)


def _all_linear_with_warmup(progress: Progress) -> tuple[float, float]:
    return (_warmup_and_decay(progress), ) * 2


def _step(progress: Progress) -> tuple[float, float]:
    return (0.1**(progress.epoch // progress.lr_drop), ) * 2


def _multistep(progress: Progress) -> tuple[float, float]:
    drops = (progress.epoch - progress.lr_drop) // 50 + 1
    return (0.5**max(drops, 0), ) * 2


def _warmup_and_decay(progress: Progress) -> float:
    if progress.step < progress.num_warmup_steps:
        return progress.step / progress.num_warmup_steps
    return (progress.num_steps - progress.step) / (progress.num_steps - progress.num_warmup_steps)


# schedule: factors of the text encoder's rate and of all other rates
SCHEDULES: dict[str, Callable[[Progress], tuple[float, float]]] = dict(
    linear_with_warmup=_linear_with_warmup, all_linear_with_warmup=_all_linear_with_warmup, step=_step,
    multistep=_multistep)
