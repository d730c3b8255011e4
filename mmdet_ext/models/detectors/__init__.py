from .flip_tta import FlipTTAModel
from .mdetr import MDETR
from .mdetr_segmenter import MDETRSegmenter
from .modulated_detr import build_with_smca
from .pgi import AuxiliaryHeads, build_with_pgi
from .pgi_detector import PGIDetector
from .prompted_mdetr import PromptedMDETR
from .smca_detr import SMCADETR
from .text_fusion import build_with_text_fusion

__all__ = [
    'MDETR', 'SMCADETR', 'AuxiliaryHeads', 'FlipTTAModel', 'MDETRSegmenter', 'PGIDetector', 'PromptedMDETR',
    'build_with_pgi', 'build_with_smca', 'build_with_text_fusion'
]
