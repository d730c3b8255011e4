"""Prediction from Python: from a file or an array to boxes in pixels of the original image, by the shortest way."""
from .detections import Detections
from .predictor import Prepared, Predictor

__all__ = ['Detections', 'Predictor', 'Prepared']
