"""Unpickling published files without running anything that they name.

A pickle is a program: it names functions and classes and asks for calls. Nothing named in a file is imported here. A
short list of plain containers stands for itself, tensors become `TensorRef`s, classes of the packages that published
files come from become `StandIn`s, and any other name is an error.
"""
import pickle
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, BinaryIO, NamedTuple

import torch

# Classes below these prefixes are read as stand-ins: the original projects and what they train with.
INERT_PREFIXES = ('models.', 'utils.', 'yolo.', 'util.', 'torch.nn.', 'torch.optim.', 'omegaconf.', 'lightning.',
                  'lightning_fabric.', 'pytorch_lightning.', 'torchmetrics.')
INERT_NAMES = {
    '_codecs.encode', 'argparse.Namespace', 'builtins.bool', 'builtins.bytearray', 'builtins.dict', 'builtins.float',
    'builtins.int', 'builtins.list', 'builtins.str', 'collections.Counter', 'collections.defaultdict',
    'collections.deque', 'datetime.datetime', 'numpy.dtype', 'numpy.ndarray', 'pathlib.Path', 'pathlib.PosixPath',
    'pathlib.WindowsPath', 'torch.Size', 'torch.device', 'typing.Any',
    *(f'numpy.{core}.multiarray.{name}' for core in ('core', '_core') for name in ('_reconstruct', 'scalar')),
    *(f'torch.{name}' for name in ('float16', 'bfloat16', 'float32', 'float64', 'int64')),
}
CONTAINERS = {'collections.OrderedDict': OrderedDict, 'builtins.set': set, 'builtins.frozenset': frozenset}
STORAGE_DTYPES = dict(
    DoubleStorage=torch.float64, FloatStorage=torch.float32, HalfStorage=torch.float16, BFloat16Storage=torch.bfloat16,
    LongStorage=torch.int64, IntStorage=torch.int32, ShortStorage=torch.int16, CharStorage=torch.int8,
    ByteStorage=torch.uint8, BoolStorage=torch.bool)


class CheckpointError(ValueError):
    """A file that is not a checkpoint, is damaged, names something unknown, or does not fit its system."""


class StorageRef(NamedTuple):
    """Where a file keeps the values of one or more tensors."""
    key: str
    dtype: torch.dtype
    numel: int


class TensorRef(NamedTuple):
    """A tensor of a file, not yet read."""
    storage: StorageRef
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class StandIn:
    """An object of a class that is not imported: it keeps the state that the file gives it and does nothing."""

    def __new__(cls, *args: Any, **kwargs: Any) -> 'StandIn':
        self = super().__new__(cls)
        self.state = {}
        return self

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, dict) else {}

    def __setitem__(self, key: Any, value: Any) -> None:
        """Forget the item: state dicts and modules never come this way."""

    def append(self, value: Any) -> None:
        """Forget the item."""

    def extend(self, values: Any) -> None:
        """Forget the items."""


class RestrictedUnpickler(pickle.Unpickler):
    """Reads one pickle of a file that `torch.save` wrote.

    Args:
        file: The open file.
        path: Its name, for errors.

    Attributes:
        storages: The storages that the pickle names, by key.
    """

    def __init__(self, file: BinaryIO, path: str) -> None:
        super().__init__(file, encoding='utf-8', errors='replace')
        self.path = path
        self.storages = {}
        # bound methods, since a pickle can set the attributes of functions and classes that it is handed
        self.rebuilders = {
            '_rebuild_tensor': self._tensor,
            '_rebuild_tensor_v2': self._tensor,
            '_rebuild_parameter': self._parameter,
            '_rebuild_parameter_with_state': self._parameter
        }

    def find_class(self, module: str, name: str) -> Any:
        module = 'builtins' if module == '__builtin__' else module  # as Python 2 and pickle protocol 2 call it
        origin = f'{module}.{name}'
        if origin in CONTAINERS:
            return CONTAINERS[origin]
        if module == 'torch._utils' and name in self.rebuilders:
            return self.rebuilders[name]
        if module in ('torch', 'torch.cuda') and name in STORAGE_DTYPES:
            return STORAGE_DTYPES[name]
        if origin in INERT_NAMES or origin.startswith(INERT_PREFIXES):
            return StandIn
        raise CheckpointError(f'{self.path}: refused, it names {origin}, which files of its kind do not need')

    def persistent_load(self, pid: Any) -> Any:
        kind, *details = pid
        if kind == 'module':  # how files from before torch 1.6 name a class: (class, source file, source)
            return details[0]
        dtype, key, _, numel, *view = details
        if kind != 'storage' or not isinstance(dtype, torch.dtype) or not isinstance(numel, int) or any(view):
            raise CheckpointError(f'{self.path}: unknown kind of stored object {kind!r}')
        self.storages[key] = storage = StorageRef(str(key), dtype, numel)
        return storage

    def _tensor(self, storage: StorageRef, offset: int, size: Sequence[int], stride: Sequence[int],
                *_: Any) -> TensorRef:
        position = (offset, *size, *stride)
        if not isinstance(storage, StorageRef) or any(type(value) is not int or value < 0 for value in position):
            raise CheckpointError(f'{self.path}: a tensor of {storage!r} at {position} cannot be')
        return TensorRef(storage, offset, tuple(size), tuple(stride))

    def _parameter(self, data: TensorRef, *_: Any) -> TensorRef:
        return data
