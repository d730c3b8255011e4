"""Checks of versions, and changes to mmengine, mmcv, mmdet and lvis so that they work with other versions of
torch, NumPy, setuptools and Python."""
from .dependencies import check_dependencies
from .patches import allow_lvis_evaluation, allow_mmengine_checkpoints, without_cuda
from .removed_functions import replace_removed_functions

__all__ = [
    'allow_lvis_evaluation', 'allow_mmengine_checkpoints', 'check_dependencies', 'replace_removed_functions',
    'without_cuda'
]
