"""Data sets and their transforms; the generator of Shapes (`datasets.shapes`) stands apart and is not imported here."""
from . import transforms
from .batch_shape_sampler import BatchShapeSampler
from .mdetr_dataset import MDETRDataset
from .seeded import SeededMixDataset, SeededSampler
from .yolo_coco import YOLOCocoDataset

__all__ = [
    'BatchShapeSampler', 'MDETRDataset', 'SeededMixDataset', 'SeededSampler', 'YOLOCocoDataset', 'transforms'
]
