"""Choose how a training run begins: from one of its own checkpoints, from other weights, or anew."""
from pathlib import Path

from mmengine.config import Config

from ..checkpoints.load import check_file
from ..engine.checkpoint_hook import checkpoints_of_run

HOOKS = dict(  # default hook: mmengine's type, and the one of this package, which takes the same arguments
    checkpoint=('CheckpointHook', 'WholeCheckpointHook'),
    param_scheduler=('ParamSchedulerHook', 'ScheduleHook'),
    sampler_seed=('DistSamplerSeedHook', 'EpochSeedHook'))
MMENGINE_HOOKS = ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint')


def use_own_hooks(cfg: Config) -> None:
    """Replace mmengine's hooks by those of this package, with which a run resumes safely and gives the same weights."""
    cfg.setdefault('default_hooks', {})
    hooks = cfg.default_hooks
    for name, (usual, safe) in HOOKS.items():
        hook = hooks.get(name, dict(type=usual))
        if hook and hook['type'] == usual:
            hooks[name] = dict(hook, type=safe)
    imports = cfg.get('custom_imports', {}).get('imports', [])
    if not any(module.startswith('mmdet_ext') for module in imports):  # for those who read the config that is saved
        cfg.custom_imports = dict(imports=[*imports, 'mmdet_ext'])


def drop_hooks(cfg: Config) -> None:
    """Take default hooks that are None out of the config; mmengine allows None for its own six only."""
    hooks = cfg.get('default_hooks') or {}
    for name in [name for name, hook in hooks.items() if hook is None and name not in MMENGINE_HOOKS]:
        del hooks[name]


def begin_from(cfg: Config, resume: str | None = None) -> None:
    """Choose the checkpoint that a training run begins from.

    Args:
        cfg: Config, of which `resume` and `load_from` are set.
        resume: Path of the checkpoint to resume from. 'auto': the checkpoint hook takes the newest undamaged one in the
            work directory; if there is none, the run begins with `load_from`. None: the run begins with `load_from`, if
            there is one.

    Raises:
        OSError, ValueError: If the given file is missing, damaged or no checkpoint.
    """
    if resume == 'auto' and not (cfg.get('load_from') and not _has_checkpoints(cfg)):
        cfg.resume, cfg.load_from = True, None
    elif resume and resume != 'auto':
        cfg.resume, cfg.load_from = True, resume
    if not isinstance(cfg.get('load_from'), (str, type(None))):
        raise ValueError(f'load_from should be the path of a checkpoint, got {cfg.load_from!r}')
    if cfg.get('load_from'):
        check_file(cfg.load_from)


def _has_checkpoints(cfg: Config) -> bool:
    hook = cfg.get('default_hooks', {}).get('checkpoint') or {}
    return bool(checkpoints_of_run(Path(cfg.work_dir), checkpoint_template(cfg), hook.get('out_dir')))


def checkpoint_template(cfg: Config) -> str:
    """How the checkpoints of a training are named, with {} for the number of the epoch or iteration."""
    hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    return hook.get('filename_tmpl') or ('epoch_{}.pth' if hook.get('by_epoch', True) else 'iter_{}.pth')
