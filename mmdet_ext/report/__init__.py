"""The report of a run: what a training gave, as one HTML page and the PNG files of its figures."""
from .results import DetectionResults, ImageResult
from .section import Figure, Section, Table

__all__ = ['DetectionResults', 'Figure', 'ImageResult', 'Section', 'Table']
