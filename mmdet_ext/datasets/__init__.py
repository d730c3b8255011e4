"""Data sets, samplers and transforms."""
from . import transforms
from .batch_shape_sampler import BatchShapeSampler
from .caption_group_sampler import CaptionGroupSampler
from .checked_coco import CheckedCocoDataset
from .chunk_sampler import ChunkSampler
from .clevr_dataset import ClevrDataset
from .gqa_dataset import GQADataset
from .mdetr_dataset import MDETRDataset
from .seeded import SeededConcatDataset, SeededMixDataset, SeededSampler
from .yolo_coco import YOLOCocoDataset

__all__ = [
    'BatchShapeSampler', 'CaptionGroupSampler', 'CheckedCocoDataset', 'ChunkSampler', 'ClevrDataset', 'GQADataset',
    'MDETRDataset', 'SeededConcatDataset', 'SeededMixDataset', 'SeededSampler', 'YOLOCocoDataset', 'transforms'
]
