from .copy_paste import YOLOCopyPaste
from .filters import YOLOFilters
from .hsv import YOLOHSV
from .mosaic import YOLOMixUp, YOLOMosaic
from .polygons import LoadPolygons
from .rect import RectLetterbox, YOLOResize
from .yolo_affine import YOLOAffine

__all__ = [
    'LoadPolygons', 'RectLetterbox', 'YOLOAffine', 'YOLOCopyPaste', 'YOLOFilters', 'YOLOHSV', 'YOLOMixUp', 'YOLOMosaic',
    'YOLOResize'
]
