"""The report of a run: what a training gave, as one HTML page and the PNG files of its figures."""
from .results import DetectionResults, ImageResult
from .section import Figure, Listing, Section, Table

__all__ = ['DetectionResults', 'Figure', 'ImageResult', 'Listing', 'Section', 'Table']
