"""Checks of versions, and changes to mmengine, mmcv, mmdet and lvis so that they work with newer torch and NumPy."""
from .dependencies import check_dependencies
from .patches import allow_lvis_evaluation, allow_mmengine_checkpoints, without_cuda

__all__ = ['allow_lvis_evaluation', 'allow_mmengine_checkpoints', 'check_dependencies', 'without_cuda']
