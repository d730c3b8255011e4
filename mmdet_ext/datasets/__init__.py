"""Data sets and their transforms; the generator of Shapes (`datasets.shapes`) stands apart and is not imported here."""
from . import transforms
from .seeded import SeededMixDataset, SeededSampler
from .yolo_coco import YOLOCocoDataset

__all__ = ['SeededMixDataset', 'SeededSampler', 'YOLOCocoDataset', 'transforms']
