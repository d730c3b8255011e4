"""Metrics that mmdet lacks."""
from .yolo_coco_metric import YOLOCocoMetric

__all__ = ['YOLOCocoMetric']
