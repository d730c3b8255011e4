"""Hooks, optimizer wrappers and schedules that mmengine and mmdet lack."""
from .checkpoint_hook import WholeCheckpointHook
from .close_mosaic_hook import CloseMosaicHook
from .ema import RampedEMA, StepEMAHook
from .epoch_linear_lr import EpochLinearLR
from .epoch_seed_hook import EpochSeedHook
from .mdetr_lr_hook import MDETRLrHook
from .merged_optim_constructor import MergedOptimWrapperConstructor
from .no_wait_optim_wrapper import AmpNoWaitOptimWrapper, NoWaitOptimWrapper
from .optim_constructor import YOLOOptimWrapperConstructor
from .patience_hook import PatienceHook
from .runtime_info_hook import NoWaitRuntimeInfoHook
from .schedule_hook import ScheduleHook
from .stop_on_nan_hook import StopOnNaNHook
from .sum_optim_wrapper import AmpSumOptimWrapper, SumOptimWrapper
from .threads_hook import ThreadsHook
from .warmup_hook import YOLOWarmupHook

__all__ = [
    'AmpNoWaitOptimWrapper', 'AmpSumOptimWrapper', 'CloseMosaicHook', 'EpochLinearLR', 'EpochSeedHook', 'MDETRLrHook',
    'MergedOptimWrapperConstructor', 'NoWaitOptimWrapper', 'NoWaitRuntimeInfoHook', 'PatienceHook', 'RampedEMA',
    'ScheduleHook', 'StepEMAHook', 'StopOnNaNHook', 'SumOptimWrapper', 'ThreadsHook', 'WholeCheckpointHook',
    'YOLOOptimWrapperConstructor', 'YOLOWarmupHook'
]
