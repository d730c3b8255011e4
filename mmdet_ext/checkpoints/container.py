"""The two file formats of `torch.save`, read through the restricted unpickler.

Since torch 1.6 a file is a zip archive: one pickle, and one record per storage. Before, it is a row of pickles with the
storages behind them. A storage is read only when one of its tensors is used, so unused optimizer states cost no time.
"""
import math
import sys
import zipfile
from abc import ABC, abstractmethod
from typing import Any, BinaryIO

import torch
from torch import Tensor

from ..unpickler import CheckpointError, RestrictedUnpickler, StorageRef, TensorRef

STREAM_MAGIC = 0x1950a86a20f9469cfc6c  # the first pickle of the older format


class Container(ABC):
    """An open file of `torch.save`.

    Args:
        file: The file, open for reading bytes.
        path: Its name, for errors.

    Attributes:
        root: The pickled object, with a `TensorRef` for each tensor.
    """
    root: Any

    def __init__(self, file: BinaryIO, path: str) -> None:
        self.file = file
        self.path = path
        self._storages: dict[StorageRef, Tensor] = {}

    def tensor(self, ref: TensorRef) -> Tensor:
        """Read one tensor. Tensors of one storage share memory, as they did when they were saved."""
        storage, offset, size, stride = ref
        numel = math.prod(size)
        last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
        if numel > storage.numel or (numel and last >= storage.numel):
            raise CheckpointError(f'{self.path}: a tensor of shape {size} lies outside its storage {storage.key!r}')
        if storage not in self._storages:
            self._storages[storage] = self._read(storage)
        return self._storages[storage].as_strided(size, stride, offset)

    def _read(self, storage: StorageRef) -> Tensor:
        data = self._bytes(storage)
        if len(data) != storage.numel * storage.dtype.itemsize:
            raise CheckpointError(f'{self.path}: storage {storage.key!r} has {len(data)} bytes, which is not '
                                  f'{storage.numel} values of {storage.dtype}')
        return torch.frombuffer(bytearray(data), dtype=storage.dtype) if data else torch.empty(0, dtype=storage.dtype)

    @abstractmethod
    def _bytes(self, storage: StorageRef) -> bytes:
        """The values of `storage` as they lie in the file."""


class ZipContainer(Container):
    """The format since torch 1.6."""

    def __init__(self, file: BinaryIO, path: str) -> None:
        super().__init__(file, path)
        self.archive = zipfile.ZipFile(file)
        records = {info.filename: info for info in self.archive.infolist()}
        pickles = [name for name in records if name.endswith('/data.pkl')]
        if len(pickles) != 1:
            raise CheckpointError(f'{path}: a zip archive, but not one of torch.save: {len(pickles)} data.pkl in it')
        self.prefix = pickles[0].removesuffix('data.pkl')
        if f'{self.prefix}constants.pkl' in records:
            raise CheckpointError(f'{path}: refused, a TorchScript archive holds code; give the file of torch.save')
        if any(info.compress_type != zipfile.ZIP_STORED for info in records.values()):
            raise CheckpointError(f'{path}: refused, its records are compressed, which torch.save never does')
        order = f'{self.prefix}byteorder'
        if order in records and self.archive.read(order) != sys.byteorder.encode():
            raise CheckpointError(f'{path}: written on a machine of another byte order than this one')
        with self.archive.open(pickles[0]) as data:
            self.root = RestrictedUnpickler(data, path).load()

    def _bytes(self, storage: StorageRef) -> bytes:
        return self.archive.read(f'{self.prefix}data/{storage.key}')


class StreamContainer(Container):
    """The format before torch 1.6."""

    def __init__(self, file: BinaryIO, path: str) -> None:
        super().__init__(file, path)
        if RestrictedUnpickler(file, path).load() != STREAM_MAGIC:
            raise CheckpointError(f'{path}: a pickle, but not one of torch.save')
        for _ in ('protocol', 'system'):
            RestrictedUnpickler(file, path).load()
        unpickler = RestrictedUnpickler(file, path)
        self.root = unpickler.load()
        self._positions: dict[str, int] = {}
        for key in RestrictedUnpickler(file, path).load():
            storage = unpickler.storages[key]
            numel = int.from_bytes(file.read(8), 'little')
            if numel != storage.numel:
                raise CheckpointError(f'{path}: storage {key!r} has {numel} values, not {storage.numel}')
            self._positions[storage.key] = file.tell()
            file.seek(storage.numel * storage.dtype.itemsize, 1)

    def _bytes(self, storage: StorageRef) -> bytes:
        self.file.seek(self._positions[storage.key])
        return self.file.read(storage.numel * storage.dtype.itemsize)
