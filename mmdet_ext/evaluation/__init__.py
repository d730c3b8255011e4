"""Metrics that mmdet lacks."""
from .agnostic_coco_metric import AgnosticCocoMetric
from .phrase_grounding_metric import PhraseGroundingMetric
from .referring_metric import ReferringMetric
from .yolo_coco_metric import YOLOCocoMetric

__all__ = ['AgnosticCocoMetric', 'PhraseGroundingMetric', 'ReferringMetric', 'YOLOCocoMetric']
