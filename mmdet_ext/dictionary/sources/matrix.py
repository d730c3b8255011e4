"""Features from a file, of whatever made them."""
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .base import Samples, Source
from .chunks import count_chunks, items_of_chunk

UNREADABLE = (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile)


class FileSource(Source):
    """The rows of a matrix (M, d) in an npy, npz or pt file, of integers or real numbers.

    npy and today's pt files stay on disk, and a chunk reads its rows; an npz file is read whole.

    Args:
        path: File, which is told by its name.
        key: Name of the matrix, where an npz file or a dict in a pt file has several.
        chunk_size: Rows per chunk.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It holds no such matrix.
    """
    name = 'file'

    def __init__(self, path: str | Path, *, key: str | None = None, chunk_size: int = 4096) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(f'there is no file {path} (seen from {Path.cwd()})')
        self.matrix = _check(self.path, _read(self.path, key))
        self.num_items, self.width = self.matrix.shape
        self.chunk_size = chunk_size
        self.num_chunks = count_chunks(self.num_items, chunk_size)
        state = self.path.stat()
        self._fingerprint = dict(source=self.name, path=str(self.path.resolve()), bytes=state.st_size,
                                 changed=state.st_mtime_ns, key=key, chunk_size=chunk_size)

    def chunk(self, index: int) -> Samples:
        items = items_of_chunk(index, self.chunk_size, self.num_items)
        rows = self.matrix[items.start:items.stop]
        rows = rows.to(torch.float32).numpy() if isinstance(rows, Tensor) else rows
        boxes = np.zeros((len(items), 4), np.float32)
        return Samples(np.array(rows, np.float32), np.arange(items.start, items.stop), boxes)

    def describe(self, item: int, box: np.ndarray) -> dict[str, Any]:
        return dict(file=str(self.path), row=int(item))

    def fingerprint(self) -> dict[str, Any]:
        return dict(self._fingerprint)


def _read(path: Path, key: str | None) -> Any:
    readers = {'.npy': _read_npy, '.npz': _read_npz, '.pt': _read_pt, '.pth': _read_pt}
    if path.suffix not in readers:
        raise ValueError(f'{path} should end in {", ".join(readers)}')
    try:
        found = readers[path.suffix](path)
    except UNREADABLE as error:
        raise _broken(path, error) from error
    name = _name_of_matrix(path, found, key)
    try:
        return found if name is None else found[name]
    except UNREADABLE as error:
        raise _broken(path, error) from error


def _broken(path: Path, error: Exception) -> ValueError:
    reason = (str(error) or repr(error)).splitlines()[0]
    return ValueError(f'{path} is no whole {path.suffix} file of numbers: {reason}')


def _read_npy(path: Path) -> np.ndarray:
    return np.load(path, mmap_mode='r', allow_pickle=False)


def _read_npz(path: Path) -> Any:
    return np.load(path, allow_pickle=False)


def _read_pt(path: Path) -> Any:
    # files of before torch 1.6 cannot be mapped
    return torch.load(path, map_location='cpu', weights_only=True, mmap=zipfile.is_zipfile(path))


def _name_of_matrix(path: Path, found: Any, key: str | None) -> str | None:
    """Which of several matrices is meant; None where `found` is the matrix."""
    if not isinstance(found, (dict, np.lib.npyio.NpzFile)):
        if key is not None:
            raise ValueError(f'key={key!r}: {path} holds one matrix without a name')
        return None
    names = list(found)
    if key is None and len(names) == 1:
        return names[0]
    if key not in names:
        raise ValueError(f'key should be one of {", ".join(map(repr, names))}, which {path} holds, got {key!r}')
    return key


def _check(path: Path, matrix: Any) -> np.ndarray | Tensor:
    if not isinstance(matrix, (np.ndarray, Tensor)):
        raise ValueError(f'{path} should hold a matrix (M, d), got a {type(matrix).__name__}')
    if isinstance(matrix, Tensor):
        real = matrix.layout == torch.strided and not matrix.is_complex() and matrix.dtype != torch.bool
    else:
        real = matrix.dtype.kind in 'fiu'
    if not real or matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(f'{path} should hold a matrix (M, d) of real numbers, got shape {tuple(matrix.shape)} of '
                         f'{matrix.dtype}')
    return matrix.detach() if isinstance(matrix, Tensor) else matrix
