from .aligned_grounding_dino_head import AlignedGroundingDINOHead
from .answer_heads import AnswerHead, ClevrAnswerHead, GQAAnswerHead
from .mask_head import MDETRMaskHead
from .mdetr_head import GroundingOutputs, MDETRHead, grounded_instances, phrase_scores
from .smca_head import SMCAHead
from .text_yolov9_head import TextEmbeddings, TextYOLOv9Head
from .yolov9_head import YOLOv9Head

__all__ = [
    'AlignedGroundingDINOHead', 'AnswerHead', 'ClevrAnswerHead', 'GQAAnswerHead', 'GroundingOutputs', 'MDETRHead',
    'MDETRMaskHead', 'SMCAHead', 'TextEmbeddings', 'TextYOLOv9Head', 'YOLOv9Head', 'grounded_instances',
    'phrase_scores'
]
