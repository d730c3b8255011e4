"""Functions of the command lines of training and testing, which prepare a config and its runner."""
from ..config_variables import apply_variables
from .config import (
    load_config, pin_batches, use_amp, use_auto_scale_lr, use_checked_data_sets, use_large_visualizer, use_tta)
from .processes import add_threads_hook, init_cpu_processes, leave_cores_to_workers, named_data_workers
from .report import use_report
from .resume import begin_from, drop_hooks, use_own_hooks
from .training import train

__all__ = [
    'add_threads_hook', 'apply_variables', 'begin_from', 'drop_hooks', 'init_cpu_processes',
    'leave_cores_to_workers', 'load_config', 'named_data_workers', 'pin_batches', 'train', 'use_amp',
    'use_auto_scale_lr', 'use_checked_data_sets', 'use_large_visualizer', 'use_own_hooks', 'use_report', 'use_tta'
]
