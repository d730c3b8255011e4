from .smca_head import SMCAHead
from .yolov9_head import YOLOv9Head

__all__ = ['SMCAHead', 'YOLOv9Head']
