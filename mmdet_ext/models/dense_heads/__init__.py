from .yolov9_head import YOLOv9Head

__all__ = ['YOLOv9Head']
