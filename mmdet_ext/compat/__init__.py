"""Where mmengine, mmcv, mmdet and lvis need help to work with each other and with newer versions of torch and NumPy."""
from .dependencies import check_dependencies
from .patches import allow_lvis_evaluation, allow_mmengine_checkpoints, without_cuda

__all__ = ['allow_lvis_evaluation', 'allow_mmengine_checkpoints', 'check_dependencies', 'without_cuda']
