"""The module that stands for ``mmcv._ext``."""
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
    'nms': ('nms', 'softnms', 'nms_match'),
    'roi_align': ('roi_align_forward', 'roi_align_backward'),
    'ms_deform_attn': ('ms_deform_attn_forward', 'ms_deform_attn_backward'),
    'deform_conv': ('deform_conv_forward', 'deform_conv_backward_input', 'deform_conv_backward_parameters',
                    'modulated_deform_conv_forward', 'modulated_deform_conv_backward'),
    'info': ('get_compiler_version', 'get_compiling_cuda_version'),
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
        if name in _MODULE_OF:
            function = getattr(import_module(f'.{_MODULE_OF[name]}', __package__), name)
        else:
            function = _missing(name)
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


def _missing(name: str) -> Callable[..., NoReturn]:
    def missing(*args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(f"mmcv's operator {name!r} is not among those of mmdet_ext.operators; "
                                  f'{MISSING_REMEDY}')

    return missing
