"""Prediction from Python: from a file or an array to boxes in pixels of the original image, with little overhead."""
from .detections import Detections
from .predictor import Prepared, Predictor

__all__ = ['Detections', 'Predictor', 'Prepared']
