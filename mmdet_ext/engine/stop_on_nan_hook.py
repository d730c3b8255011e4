"""Stop training when numbers become NaN or infinite, before they reach a checkpoint."""
from collections.abc import Callable
from typing import Any, NamedTuple
from collections.abc import Iterable

import torch
from mmdet.registry import HOOKS
from mmengine.dist import all_reduce, get_rank
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner
from torch import Tensor


class _Look(NamedTuple):
    """The check of one iteration, over all processes; its result is being copied to the host."""
    iteration: int  # from 1
    losses: dict[str, Tensor]
    went_wrong: Callable[[], bool]  # waits for the answer


@HOOKS.register_module()
class StopOnNaNHook(Hook):
    """Raise a FloatingPointError when a loss, or a tensor of the model at the end of an epoch, is NaN or infinite.

    On the CPU losses are checked after each iteration, before averaged weights are updated. On CUDA that would make the
    host wait for the device: there they are checked one iteration later, and immediately if a checkpoint or an
    evaluation follows. In both cases the last saved checkpoint has no such values. Several processes exchange one
    number per iteration and stop together.
    """

    priority = 'VERY_HIGH'  # before EMAHook and CheckpointHook

    def __init__(self) -> None:
        self._last: _Look | None = None

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None,
                         outputs: dict | None = None) -> None:
        losses = {name: value.detach() for name, value in (outputs or {}).items() if 'loss' in name}
        bad = _any_bad(losses.values())
        all_reduce(bad, op='max')
        self._finish(runner)
        self._last = _Look(runner.iter + 1, losses, _sent_to_host(bad))
        if not _is_late(bad) or _saves_now(runner):
            self._finish(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        self._finish(runner)
        state = {name: value for name, value in runner.model.state_dict().items() if value.is_floating_point()}
        total = torch.tensor(float(not _all_finite(state.values())))
        all_reduce(total, op='max')
        if total:
            bad = [name for name, value in state.items() if not _all_finite([value])]
            self._stop(runner, runner.iter, f'{len(bad)} tensors of the model are not finite: {", ".join(bad[:3])} ...')

    def before_val_epoch(self, runner: Runner) -> None:
        self._finish(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        self._finish(runner)

    def _finish(self, runner: Runner) -> None:
        """Wait for the check of the last iteration, and stop if it failed."""
        look, self._last = self._last, None
        if look is not None and look.went_wrong():
            bad = [f'{name} is {value.item()}' for name, value in look.losses.items() if not _all_finite([value])]
            self._stop(runner, look.iteration, ', '.join(bad) or 'a loss of another process is not finite')

    def _stop(self, runner: Runner, iteration: int, finding: str) -> None:
        raise FloatingPointError(
            f'epoch {runner.epoch + 1}, iteration {iteration} of {runner.max_iters}, process {get_rank()}: {finding}. '
            f'Training stops; the checkpoints in {runner.work_dir} are from before. A lower learning rate, clip_grad, '
            'training without AMP or a look at the annotations may help')


def _is_late(tensor: Tensor) -> bool:
    """Whether reading this tensor would make the host wait for a device."""
    return tensor.is_cuda


def _any_bad(values: Iterable[Tensor]) -> Tensor:
    """1 if any number is NaN or infinite, else 0: a float tensor () on the values' device, for `all_reduce`."""
    values = [value.flatten() for value in values]
    if not values:
        return torch.zeros(())
    return torch.cat(values).isfinite().logical_not().any().float()


def _all_finite(values: Iterable[Tensor]) -> bool:
    flags = [torch.isfinite(value.detach()).all() for value in values]
    return not flags or bool(torch.stack(flags).all())


def _sent_to_host(flag: Tensor) -> Callable[[], bool]:
    """Begin to copy a flag to the host; the returned function waits for this copy only, not for work queued later."""
    host = torch.tensor(0., pin_memory=flag.is_cuda)
    host.copy_(flag, non_blocking=True)
    copied = torch.cuda.Event() if flag.is_cuda else None
    if copied is not None:
        copied.record()

    def answer() -> bool:
        if copied is not None:
            copied.synchronize()
        return bool(host)

    return answer


def _saves_now(runner: Runner) -> bool:
    """Whether a checkpoint may follow this iteration; those that follow an epoch come after `after_train_epoch`."""
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook) and not hook.by_epoch:
            since_begin = runner.iter + 1 - getattr(hook, 'save_begin', 0)
            if (hook.interval > 0 and since_begin % hook.interval == 0) or hook.is_last_train_iter(runner):
                return True
    return False
