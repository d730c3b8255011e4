"""Labelled images in the formats of the usual label tools: recognised, checked, split, and written as COCO files."""
from .prepare import Prepared, PreparedData, Split, prepare_data, prepared_before

__all__ = ['Prepared', 'PreparedData', 'Split', 'prepare_data', 'prepared_before']
