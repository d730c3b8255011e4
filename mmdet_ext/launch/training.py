"""The road of every training: from a config file to a trained model."""
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from mmdet.registry import RUNNERS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..command_line import wrong_config
from .config import (load_config, pin_batches, use_amp, use_auto_scale_lr, use_checked_data_sets, use_large_visualizer,
                     use_new_visualizer)
from .processes import add_threads_hook, end_data_workers, init_cpu_processes, named_data_workers
from .report import use_report
from .resume import begin_from, drop_hooks, use_own_hooks


def train(config: str, *, options: dict | None = None, work_dir: str | None = None, launcher: str = 'none',
          resume: str | None = None, amp: bool = False, auto_scale_lr: bool = False, report: bool = True,
          hooks: Sequence[Hook] = (), console: AbstractContextManager | None = None) -> Runner:
    """Train as a config says.

    Args:
        config: Config file.
        options: Values that replace the file's, by dotted key.
        work_dir: Folder of logs and checkpoints; None: see `load_config`.
        launcher: 'none', 'pytorch', 'slurm' or 'mpi'.
        resume: None, 'auto' or a checkpoint, see `begin_from`.
        amp: Whether to train in mixed precision.
        auto_scale_lr: Whether to scale the learning rate by the batch size.
        report: Whether the training ends with a report.
        hooks: Further hooks, which the saved config does not have.
        console: Entered before the runner is made and left after the training.

    Raises:
        ValueError, OSError: For what is wrong in the config, its files or the data.
    """
    from mmdet.utils import setup_cache_size_limit_of_dynamo

    from ..checkpoints.file_policy import follow_policy
    from ..compat import apply  # noqa: F401  how files are read

    cfg = load_config(config, options=options, work_dir=work_dir, launcher=launcher)
    if amp:
        use_amp(cfg)
    if auto_scale_lr:
        use_auto_scale_lr(cfg)
    use_own_hooks(cfg)
    use_report(cfg, report)
    drop_hooks(cfg)
    use_checked_data_sets(cfg)
    use_large_visualizer(cfg)
    use_new_visualizer(cfg)
    begin_from(cfg, resume)
    pin_batches(cfg)
    init_cpu_processes(cfg)
    setup_cache_size_limit_of_dynamo()
    with wrong_config(config), named_data_workers(), console or nullcontext():
        runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
        add_threads_hook(runner)
        for hook in hooks:
            runner.register_hook(hook)
        follow_policy(runner.model)
        runner.train()
        end_data_workers(runner)
    return runner
