"""The work directory of a training, by tools/train.py or mmdet's own: its config, its checkpoint, its logs."""
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from mmengine.config import Config
from mmengine.logging import print_log

from ..engine.checkpoint_hook import newest_whole_checkpoint
from ..experiments.logs import TrainingLog, read_training_log
from ..files import damage_of
from ..launch import load_config
from ..launch.resume import checkpoint_template


@dataclass(frozen=True)
class Run:
    """A training that has been run.

    Attributes:
        folder: Its work directory.
        cfg: Its config, as it was trained with.
        checkpoint: The best one, or else the last one; None if there is none.
        log: Its logs.
        base: What the config was made from, as one config; None if that is not known.
    """
    folder: Path
    cfg: Config
    checkpoint: Path | None
    log: TrainingLog
    base: Config | None


def read_run(folder: Path, checkpoint: Path | None = None, options: dict | None = None,
             base: Path | None = None) -> Run:
    """Find the parts of a run in its work directory.

    Args:
        folder: The work directory.
        checkpoint: Used in place of the one that is chosen.
        options: Values that replace the config's, by dotted key.
        base: The config file that was trained; by default the file of the same name among the configs of this package
            and of mmdet.

    Raises:
        OSError: There is no such folder, or no config or such checkpoint in it.
        ValueError: The config cannot be read, the logs are no JSON, or all checkpoints are damaged.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f'there is no folder {folder}: RUN is the work directory of a training')
    path = config_file(folder)
    cfg = load_config(str(path), options=options, work_dir=str(folder))
    if checkpoint is not None and not checkpoint.is_file():
        raise FileNotFoundError(f'there is no checkpoint {checkpoint}')
    return Run(folder, cfg, checkpoint or _best_checkpoint(folder, cfg), read_training_log(folder),
               base_config(base or _original(folder)))


def config_file(folder: Path) -> Path:
    """The config that mmengine wrote when the training was last started; FileNotFoundError if there is none."""
    started = sorted(folder.glob('*/vis_data/config.py'))  # the folders are named by the time
    written = sorted(folder.glob('*.py'), key=lambda path: path.stat().st_mtime)
    if not started and not written:
        raise FileNotFoundError(f'{folder} has no config, neither *.py nor */vis_data/config.py: RUN is the work '
                                'directory of a training')
    return (started or written)[-1]


def base_config(path: Path | None) -> Config | None:
    """What the `_base_` files of a config give together; None if the file has none, or is not known."""
    if path is None:
        return None
    names = Config._get_base_files(str(path))  # a list, whatever the expression after `_base_ =` is
    if not names:
        return None
    absolute = [name if '::' in name else str((path.parent / name).resolve()) for name in names]
    with tempfile.TemporaryDirectory() as folder:
        only_bases = Path(folder, 'bases.py')
        only_bases.write_text(f'_base_ = {absolute!r}\n', encoding='utf-8')
        return Config.fromfile(only_bases)


def _best_checkpoint(folder: Path, cfg: Config) -> Path | None:
    hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    kept = Path(hook['out_dir'], folder.resolve().name) if hook.get('out_dir') else folder
    best = sorted(kept.glob('best_*.pth'), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in best:
        if damage := damage_of(path):
            print_log(f'{path} {damage}: another checkpoint is taken')
        else:
            return path
    last = newest_whole_checkpoint(folder.resolve(), checkpoint_template(cfg), hook.get('out_dir'))
    return None if last is None else Path(last)


def _original(folder: Path) -> Path | None:
    """The config file that has the name of the one in the run's folder, among those of this package and of mmdet."""
    roots = [Path(__file__).parents[2] / 'configs', Path(__file__).parents[1] / '.mim' / 'configs']
    mmdet = find_spec('mmdet')
    if mmdet and mmdet.origin:
        roots.append(Path(mmdet.origin).parent / '.mim' / 'configs')
    for written in sorted(folder.glob('*.py'), key=lambda path: path.stat().st_mtime, reverse=True):
        if '_base_' in written.read_text(encoding='utf-8'):
            return written
        for root in roots:
            if same_name := next(root.glob(f'*/{written.name}'), None):
                return same_name
    return None
