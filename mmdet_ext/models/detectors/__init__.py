from .flip_tta import FlipTTAModel
from .mdetr import MDETR
from .mdetr_segmenter import MDETRSegmenter
from .pgi import AuxiliaryHeads
from .pgi_detector import PGIDetector
from .prompted_mdetr import PromptedMDETR
from .smca_detr import SMCADETR

__all__ = ['MDETR', 'SMCADETR', 'AuxiliaryHeads', 'FlipTTAModel', 'MDETRSegmenter', 'PGIDetector', 'PromptedMDETR']
