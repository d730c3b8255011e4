"""How a training run begins: from a checkpoint of its own, from other weights, or anew."""
from pathlib import Path

from mmengine.config import Config

from ..checkpoints.load import check_file
from ..engine.checkpoint_hook import checkpoints_of_run

HOOKS = dict(  # default hook: mmengine's type, and the one of this package, which takes the same arguments
    checkpoint=('CheckpointHook', 'WholeCheckpointHook'),
    param_scheduler=('ParamSchedulerHook', 'ScheduleHook'),
    sampler_seed=('DistSamplerSeedHook', 'EpochSeedHook'))


def use_own_hooks(cfg: Config) -> None:
    """Put the hooks by which a run resumes safely and to the digit in the place of mmengine's."""
    cfg.setdefault('default_hooks', {})
    hooks = cfg.default_hooks
    for name, (usual, safe) in HOOKS.items():
        hook = hooks.get(name, dict(type=usual))
        if hook and hook['type'] == usual:
            hooks[name] = dict(hook, type=safe)
    imports = cfg.get('custom_imports', {}).get('imports', [])
    if not any(module.startswith('mmdet_ext') for module in imports):  # for those who read the config that is saved
        cfg.custom_imports = dict(imports=[*imports, 'mmdet_ext'])


def begin_from(cfg: Config, resume: str | None = None) -> None:
    """Settle from which checkpoint a training run begins.

    Args:
        cfg: Config, of which `resume` and `load_from` are set.
        resume: The checkpoint of a run that goes on. 'auto': the newest whole one in the work directory, which the
            checkpoint hook chooses, or `load_from` where there is none yet. None: begin with `load_from`, if there is
            one.

    Raises:
        OSError, ValueError: If the file that was named is no whole checkpoint.
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
    template = hook.get('filename_tmpl') or ('epoch_{}.pth' if hook.get('by_epoch', True) else 'iter_{}.pth')
    return bool(checkpoints_of_run(Path(cfg.work_dir), template, hook.get('out_dir')))
