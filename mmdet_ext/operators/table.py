"""Which operators ``mmcv.ops`` has here, what serves each, and on which devices."""
import re
import sys
from dataclasses import dataclass
from importlib import import_module

from .install import in_use
from .stand_in import NAME, OPERATORS

COMPILED = 'mmcv compiled'
MISSING = 'missing'
CPU, CUDA = 'cpu', 'cuda'


@dataclass(frozen=True)
class Served:
    """How the stand-in serves an operator.

    Attributes:
        by: The package that computes it.
        compiled_for_cpu: Whether compiled mmcv has it for the CPU, too.
        used_by: What of mmdet calls it.
    """
    by: str
    compiled_for_cpu: bool
    used_by: str


# Operators by the beginning of the names of their functions in mmcv._ext.
TABLE = {
    'nms': Served('torchvision', True, 'nearly all detectors, as they predict'),
    'softnms': Served('numpy', True, 'soft_nms in test_cfg'),
    'nms_match': Served('numpy', True, 'PISA'),
    'roi_align': Served('torchvision', True, 'two-stage detectors, masks; pool_mode max by torch'),
    'roi_pool': Served('torch', False, 'RoIPool in roi_layer'),
    'deform_roi_pool': Served('torch', False, 'DeformRoIPoolPack in roi_layer'),
    'deform_conv': Served('torchvision', True, 'DCN, RepPoints, guided anchors, TOOD, SAC'),
    'modulated_deform_conv': Served('torchvision', True, 'DCNv2, DyHead'),
    'ms_deform_attn': Served('torch', False, 'Deformable DETR, DINO, Mask2Former; mmcv calls it on a GPU only'),
    'sigmoid_focal_loss': Served('torch', False, 'FocalLoss on a GPU'),
    'softmax_focal_loss': Served('torch', False, 'no model'),
    'masked_im2col': Served('torch', False, 'guided anchors, as they predict'),
    'masked_col2im': Served('torch', False, 'guided anchors, as they predict'),
    'carafe': Served('torch', False, 'FPN_CARAFE, upsampling in mask heads'),
    'carafe_naive': Served('torch', False, 'no model'),
    'bbox_overlaps': Served('torch', True, 'no model: mmdet has its own'),
    'sync_bn': Served('torch', False, 'MMSyncBN, with several GPUs'),
}


@dataclass(frozen=True)
class Row:
    """An operator here: its name, what serves it, the devices, and what of mmdet calls it."""
    operator: str
    served_by: str
    devices: tuple[str, ...]
    used_by: str


def rows() -> list[Row]:
    """First those of `TABLE`, then the others that mmcv knows, by name."""
    names = sorted({_operator(name) for name in _functions()} - TABLE.keys())
    return [*map(_row, TABLE), *map(_row, names)]


def headline() -> str:
    """Which library the operators are of, with versions."""
    mmcv = import_module('mmcv')
    if in_use():
        return (f'mmcv {mmcv.__version__} has the operators of mmdet_ext.operators, on torchvision '
                f'{import_module("torchvision").__version__} and torch {import_module("torch").__version__}')
    library = sys.modules[NAME]
    return (f'mmcv {mmcv.__version__} has its compiled operators ({library.get_compiler_version()}, CUDA '
            f'{library.get_compiling_cuda_version()})')


def _functions() -> list[str]:
    """Names of the functions that ``mmcv.ops`` takes from its library."""
    import_module('mmcv.ops')
    implemented = {name for names in OPERATORS.values() for name in names}
    named = {name for name, value in vars(sys.modules[NAME]).items() if callable(value) and not name.startswith('_')}
    return sorted((named | implemented) - set(OPERATORS['info']))


def _operator(function: str) -> str:
    return re.sub(r'_(forward|backward)(_.*)?$', '', function)


def _row(operator: str) -> Row:
    served = TABLE.get(operator, Served(MISSING, True, ''))
    if in_use():
        return Row(operator, served.by, () if served.by == MISSING else (CPU, CUDA), served.used_by)
    with_cuda = sys.modules[NAME].get_compiling_cuda_version() != 'not available'
    devices = ((CPU,) if served.compiled_for_cpu and operator in TABLE else ()) + ((CUDA,) if with_cuda else ())
    return Row(operator, COMPILED, devices, served.used_by)
