"""Where the features of a dictionary come from."""
from .base import Samples, Source
from .clip import ClipSource
from .matrix import FileSource
from .text import TextSource
from .vision import VisionSource

__all__ = ['ClipSource', 'FileSource', 'Samples', 'Source', 'TextSource', 'VisionSource']
