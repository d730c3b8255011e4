"""The module that stands for ``mmcv._ext``."""
import re
from collections.abc import Callable
from importlib import import_module
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from types import ModuleType
from typing import Any, NoReturn

NAME = 'mmcv._ext'
MISSING_REMEDY = ('compiled mmcv has it: `make install MMCV=compiled` in a checkout of mmdet_ext, or after torch '
                  '`pip uninstall mmcv-lite` and `pip install --no-build-isolation mmcv==2.1.0`')
OPERATORS: dict[str, tuple[str, ...]] = {  # module of this package: functions of mmcv._ext
    'bbox_overlaps': ('bbox_overlaps',),
    'carafe': ('carafe_forward', 'carafe_backward', 'carafe_naive_forward', 'carafe_naive_backward'),
    'deform_conv': ('deform_conv_forward', 'deform_conv_backward_input', 'deform_conv_backward_parameters',
                    'modulated_deform_conv_forward', 'modulated_deform_conv_backward'),
    'deform_roi_pool': ('deform_roi_pool_forward', 'deform_roi_pool_backward'),
    'focal_loss': ('sigmoid_focal_loss_forward', 'sigmoid_focal_loss_backward', 'softmax_focal_loss_forward',
                   'softmax_focal_loss_backward'),
    'info': ('get_compiler_version', 'get_compiling_cuda_version'),
    'masked_conv': ('masked_im2col_forward', 'masked_col2im_forward'),
    'ms_deform_attn': ('ms_deform_attn_forward', 'ms_deform_attn_backward'),
    'nms': ('nms', 'softnms', 'nms_match'),
    'roi_align': ('roi_align_forward', 'roi_align_backward'),
    'roi_pool': ('roi_pool_forward', 'roi_pool_backward'),
    'sync_bn': ('sync_bn_forward_mean', 'sync_bn_forward_var', 'sync_bn_forward_output', 'sync_bn_backward_param',
                'sync_bn_backward_data'),
}
_MODULE_OF = {function: module for module, functions in OPERATORS.items() for function in functions}


class StandIn(ModuleType):
    """Has every function that mmcv asks for; those that are not implemented raise when they are called.

    ``mmcv.ops`` asks for all functions of all its operators as it is imported, so that a missing one must exist. The
    implementations are imported at the first use of one.
    """

    def __getattr__(self, name: str) -> Callable:
        if name.startswith('_'):
            raise AttributeError(f'module {NAME!r} has no attribute {name!r}')
        function = _implemented(name) if name in _MODULE_OF else _missing(name)
        setattr(self, name, function)
        return function


class _Loader(Loader):
    """``mmcv.utils.check_ops_exist`` looks for one."""

    def create_module(self, spec: ModuleSpec) -> StandIn:
        return StandIn(spec.name, 'mmdet_ext.operators in the place of the compiled operators of mmcv')

    def exec_module(self, module: ModuleType) -> None:
        pass


def make_stand_in() -> StandIn:
    """A new module with a specification, without which `importlib.util.find_spec` raises."""
    return module_from_spec(ModuleSpec(NAME, _Loader(), origin=__name__))


def _implemented(name: str) -> Callable:
    """The function of that name: imported at its first call, and not subject to ``torch.autocast``.

    As a compiled operator, it computes in the precision of its arguments.
    """
    def implemented(*args: Any, **kwargs: Any) -> Any:
        import torch

        function = getattr(import_module(f'.{_MODULE_OF[name]}', __package__), name)
        device = args[0].device.type if args else 'cpu'
        if not (torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)):
            return function(*args, **kwargs)
        with torch.autocast(device, enabled=False):
            return function(*args, **kwargs)

    implemented.__name__ = implemented.__qualname__ = name
    return implemented


def _missing(name: str) -> Callable[..., NoReturn]:
    operator = re.sub(r'_(forward|backward)(_.*)?$', '', name)

    def missing(*args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(f"mmcv's operator {operator!r} is not among those of mmdet_ext.operators; "
                                  f'{MISSING_REMEDY}')

    missing.__name__ = missing.__qualname__ = name
    return missing
