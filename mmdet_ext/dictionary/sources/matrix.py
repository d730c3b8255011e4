"""Features from a file, of whatever made them."""
import pickle
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmdet_ext.unfinished import file_version

from .base import Samples, Source

UNREADABLE = (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile)


class FileSource(Source):
    """The rows of a matrix (M, d) in an npy, npz or pt file, of integers or real numbers.

    npy and pt files stay on disk, and only the rows that are asked for are read; an npz file is read whole.
    FileNotFoundError if there is no such file, ValueError if it holds no such matrix.

    Args:
        path: File, which is told by its name.
        key: Name of the matrix, where an npz file or a dict in a pt file has several.
        batch_size: Rows to read at a time.
    """
    name = 'file'

    def __init__(self, path: str | Path, *, key: str | None = None, batch_size: int = 4096) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(f'there is no file {path} (seen from {Path.cwd()})')
        self.matrix = _check(self.path, _read(self.path, key))
        self.num_items, self.width = self.matrix.shape
        self.batch_size = batch_size
        self.fingerprint = dict(file=file_version(self.path), key=key, batch_size=batch_size)

    def compute(self, items: Sequence[int]) -> Samples:
        rows = self.matrix[np.asarray(items)]
        rows = rows.to(torch.float32).numpy() if isinstance(rows, Tensor) else rows
        return Samples(np.array(rows, np.float32), np.array(items, np.int64), np.zeros((len(rows), 4), np.float32))

    def describe(self, item: int, box: np.ndarray) -> dict[str, Any]:
        return dict(file=str(self.path), row=int(item))


def _read(path: Path, key: str | None) -> Any:
    if path.suffix not in ('.npy', '.npz', '.pt', '.pth'):
        raise ValueError(f'{path} should end in .npy, .npz, .pt, .pth')
    try:
        if path.suffix in ('.npy', '.npz'):
            content = np.load(path, mmap_mode='r' if path.suffix == '.npy' else None, allow_pickle=False)
        else:  # files of before torch 1.6 cannot be mapped
            content = torch.load(path, map_location='cpu', weights_only=True, mmap=zipfile.is_zipfile(path))
        named = isinstance(content, (dict, np.lib.npyio.NpzFile))
        names = list(content) if named else [None]
        key = names[0] if key is None and len(names) == 1 else key
        if named and key in names:
            return content[key]
    except UNREADABLE as error:
        reason = (str(error) or repr(error)).splitlines()[0]
        raise ValueError(f'{path} is no whole {path.suffix} file of numbers: {reason}') from error
    if named:
        raise ValueError(f'key should be one of {", ".join(map(repr, names))}, which {path} holds, got {key!r}')
    if key is not None:
        raise ValueError(f'key={key!r}: {path} holds one matrix without a name')
    return content


def _check(path: Path, matrix: Any) -> np.ndarray | Tensor:
    if isinstance(matrix, Tensor):
        real = matrix.layout == torch.strided and not matrix.is_complex() and matrix.dtype != torch.bool
    elif isinstance(matrix, np.ndarray):
        real = matrix.dtype.kind in 'fiu'
    else:
        raise ValueError(f'{path} should hold a matrix (M, d), got a {type(matrix).__name__}')
    if not real or matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(f'{path} should hold a matrix (M, d) of real numbers, got shape {tuple(matrix.shape)} of '
                         f'{matrix.dtype}')
    return matrix.detach() if isinstance(matrix, Tensor) else matrix
