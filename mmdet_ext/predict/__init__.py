"""Prediction from Python: from files, videos or arrays to boxes in pixels of the original images."""
from .detections import Detections
from .pipeline import predict_sources
from .predictor import Prepared, Predictor
from .slicing import SlicedPredictor
from .tracking import Tracker

__all__ = ['Detections', 'Predictor', 'Prepared', 'SlicedPredictor', 'Tracker', 'predict_sources']
