"""MDETR's detections drawn: boxes and masks, and below them the caption with its phrases in the same colours."""
from .visualizer import GroundingVisualizer

__all__ = ['GroundingVisualizer']
