"""Checkpoints that survive a crash, a full disk or a flipped bit."""
import logging
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mmdet.registry import HOOKS
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.logging import print_log
from mmengine.runner import Runner

from ..checkpoints.file_policy import check_resumed
from ..files import damage_of, replace_file, seal

BACKEND = 'whole_files'


@register_backend(BACKEND)
class WholeFilesBackend(LocalBackend):
    """Write checkpoints with their SHA-256, completely or not at all."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        path = Path(filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(path) as file:
            file.write(seal(obj) if obj.startswith(b'PK') else obj)


@HOOKS.register_module()
class WholeCheckpointHook(CheckpointHook):
    """mmengine's `CheckpointHook`, safe against interruptions; the arguments are the same.

    - A checkpoint is written under a temporary name, with its SHA-256 in the comment of the zip file. When it is on the
      disk it is renamed. A full disk ends the run with an OSError that names disk and file.
    - An older checkpoint is deleted after the newer one is on the disk. At least two are kept: `max_keep_ckpts=1`
      becomes 2.
    - `resume=True` without `load_from` resumes from the newest checkpoint that is not damaged, also with mmdet's own
      `train.py`. A damaged `load_from` is a ValueError.

    Checkpoints whose `out_dir` is no local folder are written as mmengine does.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.max_keep_ckpts == 1:
            self.max_keep_ckpts = 2
            print_log('max_keep_ckpts=1 keeps 2 checkpoints: if the last one is damaged, the run resumes from the one '
                      'before.', logger='current')

    def before_run(self, runner: Runner) -> None:
        # the runner asks for no checkpoint before, and loads it right after
        work_dir = Path(runner.work_dir)
        if runner._resume and runner._load_from is None:
            runner._load_from = newest_whole_checkpoint(work_dir, self.filename_tmpl, self.out_dir)
        elif runner._load_from and '://' not in runner._load_from and (damage := damage_of(runner._load_from)):
            raise ValueError(f'the checkpoint {runner._load_from} {damage}')

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        if runner._resume:
            check_resumed(runner, checkpoint)

    def before_train(self, runner: Runner) -> None:
        super().before_train(runner)
        if runner.epoch >= runner.max_epochs or runner.iter >= runner.max_iters:
            runner.logger.warning(f'nothing is left to train: {runner._load_from} is of epoch {runner.epoch}, '
                                  f'iteration {runner.iter}, and train_cfg asks for {runner.max_epochs} epochs, '
                                  f'{runner.max_iters} iterations')
        if type(self.file_backend) is LocalBackend and self.file_client_args is None:
            self.backend_args = dict(backend=BACKEND)
            if is_main_process():
                for left_by_a_kill in Path(self.out_dir).glob('.*.pth.*'):
                    left_by_a_kill.unlink()

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        outdated = []
        if self.max_keep_ckpts > 0 and step not in self.keep_ckpt_ids:
            while len(self.keep_ckpt_ids) >= self.max_keep_ckpts:  # else the parent would delete before it saves
                outdated.append(self.keep_ckpt_ids.popleft())
        super()._save_checkpoint_with_step(runner, step, meta)
        self._remove(self._path(self.filename_tmpl.format(step)) for step in outdated)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict[str, float]) -> None:
        before = self._best_paths()
        self._set_best_paths(dict.fromkeys(before))  # else the parent would delete them before it saves
        super()._save_best_checkpoint(runner, metrics)
        after = self._best_paths()
        self._set_best_paths({key: path or before[key] for key, path in after.items()})
        self._remove(path for key, path in before.items() if path and after[key] not in (None, path))

    def _best_paths(self) -> dict[str, str | None]:
        """Path of the best checkpoint of each metric of `save_best`."""
        if not self.save_best:
            return {}
        if len(self.key_indicators) == 1:
            return {self.key_indicators[0]: self.best_ckpt_path}
        return dict(self.best_ckpt_path_dict)

    def _set_best_paths(self, paths: dict[str, str | None]) -> None:
        if self.save_best and len(self.key_indicators) == 1:
            self.best_ckpt_path, = paths.values()
        elif self.save_best:
            self.best_ckpt_path_dict = paths

    def _path(self, name: str) -> str:
        return self.file_backend.join_path(self.out_dir, name)

    def _remove(self, paths: Iterable[str]) -> None:
        for path in paths:
            if is_main_process() and self.file_backend.isfile(path):
                self.file_backend.remove(path)


def newest_whole_checkpoint(work_dir: Path, template: str = 'epoch_{}.pth', out_dir: str | None = None) -> str | None:
    """The checkpoint to resume from: the last one or, if it is damaged, the newest undamaged one before it.

    The log names damaged files. The main process chooses for all processes.

    Args:
        work_dir: Folder of the run.
        template: Names of its checkpoints, with {} for the number of the epoch or iteration.
        out_dir: As `CheckpointHook` takes it.

    Returns:
        A path, or None where there are no checkpoints.

    Raises:
        ValueError: If there are checkpoints, all of them damaged.
    """
    answer: list[Any] = [None]
    if is_main_process():
        answer[0] = _choose(checkpoints_of_run(work_dir, template, out_dir))
    broadcast_object_list(answer)
    if isinstance(answer[0], ValueError):
        raise answer[0]
    return answer[0]


def _choose(candidates: list[Path]) -> str | ValueError | None:
    damaged = []
    for path in candidates:
        damage = damage_of(path)
        if not damage:
            if damaged:
                print_log(f'{"; ".join(damaged)}. Training goes on from {path}.', 'current', logging.WARNING)
            return str(path)
        damaged.append(f'{path} {damage}')
    return ValueError(f'there is no whole checkpoint to resume from: {"; ".join(damaged)}') if damaged else None


def checkpoints_of_run(work_dir: Path, template: str, out_dir: str | None = None) -> list[Path]:
    """Checkpoints in the order in which a run tries them: the last one, older ones, then those with higher numbers.

    Without `last_checkpoint`, which mmengine writes after each checkpoint, the last one is that of the highest number.
    Checkpoints with higher numbers than the last one may be left from an older run in the same folder.
    """
    folder = Path(out_dir) / work_dir.name if out_dir else work_dir
    prefix, suffix = map(re.escape, template.split('{}'))
    names = re.compile(f'{prefix}(\\d+){suffix}')
    steps = {path: int(match[1]) for path in folder.glob('*') if (match := names.fullmatch(path.name))}
    newest_first = sorted(steps, key=steps.get, reverse=True)
    pointer = work_dir / 'last_checkpoint'
    last = Path(pointer.read_text(errors='replace').strip('\0\n ')) if pointer.is_file() else Path()
    if last.name and (folder / last.name).is_file():  # the folder may have been moved or copied
        last = folder / last.name
    match = names.fullmatch(last.name)
    if not match:
        return [last, *newest_first] if last.is_file() else newest_first
    before = [path for path in newest_first if steps[path] <= int(match[1])]
    before = before if last in before else [last, *before]
    return before + [path for path in newest_first if path not in before]
