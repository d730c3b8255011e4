"""Hooks, optimizer wrappers and schedules that mmengine and mmdet lack."""
from .close_mosaic_hook import CloseMosaicHook
from .ema import RampedEMA, YOLOEMAHook
from .epoch_linear_lr import EpochLinearLR
from .mdetr_lr_hook import MDETRLrHook
from .optim_constructor import YOLOOptimWrapperConstructor
from .patience_hook import PatienceHook
from .stop_on_nan_hook import StopOnNaNHook
from .sum_optim_wrapper import AmpSumOptimWrapper, SumOptimWrapper
from .threads_hook import ThreadsHook
from .warmup_hook import YOLOWarmupHook

__all__ = [
    'AmpSumOptimWrapper', 'CloseMosaicHook', 'EpochLinearLR', 'MDETRLrHook', 'PatienceHook', 'RampedEMA',
    'StopOnNaNHook', 'SumOptimWrapper', 'ThreadsHook', 'YOLOEMAHook', 'YOLOOptimWrapperConstructor', 'YOLOWarmupHook'
]
