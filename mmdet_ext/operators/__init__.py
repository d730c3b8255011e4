"""Stand-in for mmcv's compiled operators, on torchvision and plain torch.

mmdet imports ``mmcv.ops``, which needs the compiled library ``mmcv._ext``. Where mmcv was installed without it
(mmcv-lite), `install` puts a module with the same functions in its place. ``import mmdet_ext`` calls it.
`python -m mmdet_ext.operators` says which of the two is in use.
"""
from .install import VARIABLE, in_use, install
from .stand_in import MISSING_REMEDY, OPERATORS, StandIn

__all__ = ['MISSING_REMEDY', 'OPERATORS', 'VARIABLE', 'StandIn', 'in_use', 'install']
