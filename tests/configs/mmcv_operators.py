"""Which compiled operators of mmcv a model could call, and a CUDA device as mmdet and mmcv see it, without one."""
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any
from unittest import mock

import mmcv._ext
import torch
import torch.nn as nn

PACKAGES = ('mmdet.', 'mmcv.', 'mmdet_ext.')
# methods that name an operator and are not called, and why
NOT_CALLED = {
    # its callers in BaseDenseHead are replaced by our heads and by DETRHead, which suppress nothing or use torchvision
    'BaseDenseHead._bbox_post_process',
    # of MMDetection 2: in 3 test-time augmentation is a model around the detector
    'BaseDenseHead.aug_test',
}


def operators_of(model: nn.Module) -> set[str]:
    """The operators of mmcv that the methods of what a model is built of name, as 'Class.method: operator'.

    But FocalLoss in a mask head, whose targets are as dense as its logits: then it computes in Python on every device.
    """
    operators, dense = set(), getattr(getattr(model, 'mask_head', None), 'loss_mask', None)
    for cls in {type(part) for part in parts_of(model) if part is not dense}:
        for name in dir(cls):
            method = getattr(cls, name)
            method = getattr(method, '__func__', method)
            if isinstance(method, FunctionType) and method.__qualname__ not in NOT_CALLED:
                operators |= {f'{method.__qualname__}: {operator}' for operator in operators_in(method, set())}
    return operators


def parts_of(thing: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """An object and what its attributes hold, in lists and dicts too, if it is of mmdet, mmcv or ours."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, (list, tuple, dict)):
        for child in thing.values() if isinstance(thing, dict) else thing:
            yield from parts_of(child, seen)
    elif isinstance(thing, nn.Module) or type(thing).__module__.startswith(PACKAGES):
        yield thing
        yield from parts_of(getattr(thing, '__dict__', {}), seen)


def operators_in(function: FunctionType, seen: set[FunctionType]) -> set[str]:
    """The operators that a function names, and the functions of its module that it names."""
    if function in seen or not (function.__module__ or '').startswith(PACKAGES):
        return set()
    seen.add(function)
    operators = set()
    for name in names_in(function.__code__):
        value = function.__globals__.get(name)
        if name.startswith('mmcv.ops') or home_of(value).startswith(('mmcv.ops.', 'mmcv._ext.')):
            operators.add(name)
        elif isinstance(value, FunctionType):
            operators |= operators_in(value, seen)
    return operators


def home_of(value: Any) -> str:
    """The module that something is of, with a dot behind it."""
    if isinstance(value, MethodType):  # `apply` of an autograd function
        value = value.__self__
    name = value.__name__ if isinstance(value, ModuleType) else getattr(value, '__module__', None)
    return f'{name}.'


def names_in(code: CodeType) -> set[str]:
    return set(code.co_names).union(*(names_in(part) for part in code.co_consts if isinstance(part, CodeType)))


@contextmanager
def cuda_without_operators() -> Iterator[None]:
    """Tensors that mmdet and mmcv take for CUDA's, and operators of mmcv that raise."""

    def asked_by_mm() -> bool:
        return sys._getframe(2).f_globals.get('__name__', '').startswith(('mmdet.', 'mmcv.'))

    is_cuda, is_available = torch._C.TensorBase.is_cuda, torch.cuda.is_available
    with mock.patch.object(torch.Tensor, 'is_cuda', property(lambda self: asked_by_mm() or is_cuda.__get__(self))), \
            mock.patch('torch.cuda.is_available', lambda: asked_by_mm() or is_available()), \
            without_operators():
        yield


@contextmanager
def without_operators() -> Iterator[None]:
    """Every operator of mmcv raises."""

    def refuse(name: str) -> Any:

        def operator(*args: Any, **kwargs: Any) -> None:
            raise AssertionError(f'mmcv._ext.{name} was called')

        return operator

    names = [name for name, value in vars(mmcv._ext).items() if callable(value) and not name.startswith('__')]
    with mock.patch.multiple(mmcv._ext, **{name: refuse(name) for name in names}):
        yield
