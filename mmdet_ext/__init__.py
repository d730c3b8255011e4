"""Detectors for MMDetection 3.x and parts for any of its detectors, which are registered by importing this package.

`datasets`, `engine`, `evaluation`, `models` and `visualization` are imported when they are used (see `locations`).
"""
import sys
from importlib import import_module
from types import ModuleType

from .command_line import end_own_command
from .compat import check_dependencies
from .config_files import config_file
from .version import __version__

PACKAGES: set[str] = set()
# `python -m mmdet_ext.doctor` and `python -m mmdet_ext.operators` run where the dependencies do not work
if not {'mmdet_ext.doctor', 'mmdet_ext.operators'} & set(sys.orig_argv):
    try:
        check_dependencies()
    except ImportError as error:
        end_own_command(error)
        raise
    from .locations import PACKAGES, add_locations

    add_locations()

__all__ = ['__version__', 'config_file', 'datasets', 'engine', 'evaluation', 'models', 'visualization']


def __getattr__(name: str) -> ModuleType:
    if name in PACKAGES:
        return import_module(f'{__name__}.{name}')
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
