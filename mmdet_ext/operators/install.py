"""Put the stand-in into the place of ``mmcv._ext``, or leave mmcv's own there."""
import os
import sys
from importlib import import_module
from importlib.util import find_spec

from .stand_in import NAME, StandIn, make_stand_in

VARIABLE = 'MMDET_EXT_OPERATORS'  # 'stand-in' takes the stand-in although mmcv has compiled operators
VALUES = ('', 'stand-in')


def install() -> None:
    """Install the stand-in if mmcv has no compiled operators, or if the environment variable asks for it.

    It has to happen before ``mmcv.ops`` is imported, which keeps the operators that it finds. mmcv itself is imported.
    """
    wanted = os.environ.get(VARIABLE, '')
    if wanted not in VALUES:
        raise ImportError(f"{VARIABLE}={wanted!r} is not known; it may be 'stand-in', or be left unset")
    if isinstance(sys.modules.get(NAME), StandIn):
        return
    if not wanted and (NAME in sys.modules or find_spec(NAME) is not None):
        return
    if 'mmcv.ops' in sys.modules and NAME in sys.modules:
        raise ImportError(f'{VARIABLE}={wanted} comes too late: mmcv.ops was imported before mmdet_ext. '
                          'Import mmdet_ext first')
    module = make_stand_in()
    sys.modules[NAME] = module
    import_module('mmcv')._ext = module  # `from mmcv import _ext` looks there


def in_use() -> bool:
    """Whether the operators of ``mmcv.ops`` are those of the stand-in."""
    return isinstance(sys.modules.get(NAME), StandIn)
