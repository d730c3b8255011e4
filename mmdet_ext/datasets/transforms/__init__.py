from .box_safe_crop import BoxSafeRandomCrop
from .copy_paste import YOLOCopyPaste
from .filters import YOLOFilters
from .floor_resize import FloorResize
from .grounding_inputs import PackGroundingInputs
from .hsv import YOLOHSV
from .mosaic import YOLOMixUp, YOLOMosaic
from .polygons import LoadPolygons
from .rect import RectLetterbox, YOLOResize
from .text_aware_flip import TextAwareFlip
from .text_inputs import LoadTexts, PackTextInputs
from .yolo_affine import YOLOAffine

__all__ = [
    'YOLOHSV',
    'BoxSafeRandomCrop',
    'FloorResize',
    'LoadPolygons',
    'LoadTexts',
    'PackGroundingInputs',
    'PackTextInputs',
    'RectLetterbox',
    'TextAwareFlip',
    'YOLOAffine',
    'YOLOCopyPaste',
    'YOLOFilters',
    'YOLOMixUp',
    'YOLOMosaic',
    'YOLOResize'
]
