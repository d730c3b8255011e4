from .mdetr_head import GroundingOutputs, MDETRHead, phrase_scores
from .smca_head import SMCAHead
from .yolov9_head import YOLOv9Head

__all__ = ['GroundingOutputs', 'MDETRHead', 'SMCAHead', 'YOLOv9Head', 'phrase_scores']
