from .flip_tta import FlipTTAModel
from .mdetr import MDETR
from .mdetr_segmenter import MDETRSegmenter
from .pgi_detector import PGIDetector
from .prompted_mdetr import PromptedMDETR
from .smca_detr import SMCADETR
from .text_yolov9 import TextYOLOv9

__all__ = ['MDETR', 'SMCADETR', 'FlipTTAModel', 'MDETRSegmenter', 'PGIDetector', 'PromptedMDETR', 'TextYOLOv9']
