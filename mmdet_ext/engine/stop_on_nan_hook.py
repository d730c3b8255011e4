"""An end to training whose numbers have gone wrong, before they reach a checkpoint."""
from typing import Any, Iterable

import torch
from mmdet.registry import HOOKS
from mmengine.dist import all_reduce, get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor


@HOOKS.register_module()
class StopOnNaNHook(Hook):
    """Raise a FloatingPointError when a loss, or a tensor of the model at the end of an epoch, is NaN or infinite.

    Losses are looked at after each iteration, before averaged weights are updated and checkpoints are written: what was
    saved last is sound. mmengine reads them for its log in each iteration anyway, so that one process waits for its
    device no more often. Several processes exchange one number per iteration, agree and stop together.
    """

    priority = 'VERY_HIGH'  # before EMAHook and CheckpointHook

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None,
                         outputs: dict | None = None) -> None:
        losses = {name: value for name, value in (outputs or {}).items() if 'loss' in name}
        if _in_any_process(not _all_finite(losses.values())):
            bad = [f'{name} is {value.item()}' for name, value in losses.items() if not _all_finite([value])]
            self._stop(runner, runner.iter + 1, ', '.join(bad) or 'a loss of another process is not finite')

    def after_train_epoch(self, runner: Runner) -> None:
        state = {name: value for name, value in runner.model.state_dict().items() if value.is_floating_point()}
        if _in_any_process(not _all_finite(state.values())):
            bad = [name for name, value in state.items() if not _all_finite([value])]
            self._stop(runner, runner.iter, f'{len(bad)} tensors of the model are not finite: {", ".join(bad[:3])} ...')

    def _stop(self, runner: Runner, iteration: int, what: str) -> None:
        raise FloatingPointError(
            f'epoch {runner.epoch + 1}, iteration {iteration} of {runner.max_iters}, process {get_rank()}: {what}. '
            f'Training stops; the checkpoints in {runner.work_dir} are from before. A lower learning rate, clip_grad, '
            'training without AMP or a look at the annotations may help')


def _all_finite(values: Iterable[Tensor]) -> bool:
    flags = [torch.isfinite(value.detach()).all() for value in values]
    return not flags or bool(torch.stack(flags).all())


def _in_any_process(flag: bool) -> bool:
    total = torch.tensor(float(flag))
    all_reduce(total, op='max')
    return bool(total)
