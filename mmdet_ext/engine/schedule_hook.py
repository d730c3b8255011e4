"""Learning-rate schedules of a resumed run follow its config, not the checkpoint."""
import warnings
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from mmdet.registry import HOOKS
from mmengine.hooks import ParamSchedulerHook
from mmengine.optim import _ParamScheduler
from mmengine.runner import IterBasedTrainLoop, Runner

POSITION = ('last_step', '_global_step', '_last_value')  # where a scheduler stands; all else is what it was told


@HOOKS.register_module()
class ScheduleHook(ParamSchedulerHook):
    """`ParamSchedulerHook` with which a resumed run follows its own config, for example with another `max_epochs`.

    mmengine loads schedulers from the checkpoint with all their settings, so that a run of 100 epochs that is resumed
    with `max_epochs=200` trains the added epochs at the last rate. Here schedulers that differ from those of the config
    are computed anew from the first iteration: the rates are those of a run that had this config from the beginning.
    Schedulers that depend on a metric (`ReduceOnPlateauLR`) cannot be computed anew and stay as they were saved.

    A scheduler that counts epochs in an `IterBasedTrainLoop`, which has none, is a ValueError.
    """

    def __init__(self) -> None:
        self._states: list[dict[str, Any]] = []  # of this config, by scheduler and by parameter group
        self._groups: list[dict[str, Any]] = []

    def before_run(self, runner: Runner) -> None:
        schedulers = list(_schedulers(runner))
        self._states = [deepcopy(scheduler.state_dict()) for scheduler in schedulers]
        self._groups = [{name: group[name] for name in _scheduled_names(schedulers) if name in group}
                        for group in _groups(schedulers)]

    def before_train(self, runner: Runner) -> None:
        schedulers = list(_schedulers(runner))
        by_epoch = [type(scheduler).__name__ for scheduler in schedulers if scheduler.by_epoch]
        if by_epoch and isinstance(runner.train_loop, IterBasedTrainLoop):
            raise ValueError(f'param_scheduler {by_epoch[0]} counts epochs, of which an IterBasedTrainLoop has none: '
                             'give it by_epoch=False, with begin and end in iterations')
        changes = [change for state, scheduler in zip(self._states, schedulers)
                   for change in _changes(state, scheduler)]
        if not (runner.iter and changes):
            return
        if any(getattr(scheduler, 'need_val_args', False) for scheduler in schedulers):
            runner.logger.warning('param_scheduler differs from that of the checkpoint, which goes on: a schedule that '
                                  f'depends on a metric cannot be computed anew ({"; ".join(changes)}).')
            return
        runner.logger.info('param_scheduler differs from that of the checkpoint: the schedule is computed anew, as if '
                           f'the run had begun with this config ({"; ".join(changes)}).')
        for scheduler, state in zip(schedulers, self._states, strict=True):
            scheduler.load_state_dict(deepcopy(state))
        for group, values in zip(_groups(schedulers), self._groups, strict=True):
            group.update(values)
        _repeat(schedulers, runner.iter, len(runner.train_dataloader))


def _repeat(schedulers: list[_ParamScheduler], iterations: int, epoch_length: int) -> None:
    """Step new schedulers as a training of so many iterations does."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # torch's and mmengine's, that the optimizer has not stepped
        for iteration in range(1, iterations + 1):
            for scheduler in schedulers:
                if scheduler.by_epoch and iteration % epoch_length:
                    continue
                if scheduler._global_step + 1 < scheduler.end:
                    scheduler.step()
                else:
                    scheduler._global_step += 1  # which is all that a step does then


def _changes(state: dict[str, Any], scheduler: _ParamScheduler) -> list[str]:
    """Settings of a scheduler's state in which the scheduler, as a checkpoint left it, differs."""
    saved = scheduler.state_dict()
    return [f'{type(scheduler).__name__}.{name} was {saved.get(name)}, is {value}' for name, value in state.items()
            if name not in POSITION and saved.get(name) != value]


def _schedulers(runner: Runner) -> Iterator[_ParamScheduler]:
    """All schedulers of a runner, none before they are built from its config."""
    schedulers = runner.param_schedulers or []
    for of_optimizer in schedulers.values() if isinstance(schedulers, dict) else [schedulers]:
        yield from (scheduler for scheduler in of_optimizer if isinstance(scheduler, _ParamScheduler))


def _groups(schedulers: list[_ParamScheduler]) -> list[dict[str, Any]]:
    optimizers = {id(scheduler.optimizer): scheduler.optimizer for scheduler in schedulers}
    return [group for optimizer in optimizers.values() for group in optimizer.param_groups]


def _scheduled_names(schedulers: list[_ParamScheduler]) -> list[str]:
    names = {scheduler.param_name for scheduler in schedulers}
    return [*names, *(f'initial_{name}' for name in names)]
