"""Labelled images in the formats of the usual label tools: recognised, checked, split, and written as COCO files."""
from .prepare import PreparedData, Split, prepare_data

__all__ = ['PreparedData', 'Split', 'prepare_data']
