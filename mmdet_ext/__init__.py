"""Detectors for MMDetection 3.x, open for mixing: importing this package registers its parts, and that is all."""
from .compat import check_dependencies

check_dependencies()

from . import datasets, engine, evaluation, models, visualization  # noqa: E402  registers what configs name by `type`
from .version import __version__  # noqa: E402

__all__ = ['__version__', 'datasets', 'engine', 'evaluation', 'models', 'visualization']
