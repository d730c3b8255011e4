"""Metrics that mmdet lacks."""
from .agnostic_coco_metric import AgnosticCocoMetric
from .blind_answers import blind_accuracy
from .clevr_metric import ClevrMetric
from .fast_coco_metric import FastCocoMetric
from .gqa_metric import GQAMetric
from .phrase_grounding_metric import PhraseGroundingMetric
from .phrasecut_metric import PhraseCutMetric
from .referring_metric import ReferringMetric
from .yolo_coco_metric import YOLOCocoMetric

__all__ = [
    'AgnosticCocoMetric', 'ClevrMetric', 'FastCocoMetric', 'GQAMetric', 'PhraseCutMetric', 'PhraseGroundingMetric',
    'ReferringMetric', 'YOLOCocoMetric', 'blind_accuracy'
]
