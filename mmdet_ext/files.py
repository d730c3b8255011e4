"""Write a file completely or not at all, and find damaged checkpoints by their checksums."""
import errno
import hashlib
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np


@contextmanager
def replace_file(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file for writing, which replaces `path` at the end of the block.

    If an exception ends the block, the temporary file is deleted and `path` stays as it was. The content is on the disk
    before `path` is replaced. The new file has the permissions that the umask gives.

    Raises:
        OSError: If the file cannot be written; names `path`, and the disk if it is full.
    """
    path = Path(path)
    file = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f'.{path.name}.', delete=False) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(file.name, 0o666 & ~_umask())
        os.replace(file.name, path)
    except BaseException as error:
        if file is not None:
            Path(file.name).unlink(missing_ok=True)
        _name_file(error, path)
        raise


def append(path: Path, content: bytes) -> None:
    """Add to the end of a file, all or nothing.

    Raises:
        OSError: If the file cannot be written; names `path`, and the disk if it is full.
    """
    size = None
    try:
        with open(path, 'ab', buffering=0) as file:
            size = file.tell()
            if file.write(content) < len(content):
                file.write(content[file.tell() - size:])  # says why
    except BaseException as error:
        if size is not None:
            os.truncate(path, size)
        _name_file(error, path)
        raise


def _name_file(error: BaseException, path: Path) -> None:
    """Raise an OSError again that says which disk is full, or which file it is about."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = shutil.disk_usage(path.parent).free
        raise OSError(error.errno, f'the disk of {path.parent.resolve()} is full ({free >> 20} MiB are free)',
                      str(path)) from error
    if isinstance(error, OSError) and error.strerror and not error.filename:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def read_arrays(path: Path) -> Iterator[np.lib.npyio.NpzFile]:
    """Open a saved npz file; each array is read when it is first used.

    Raises:
        ValueError: If the file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            yield arrays
    except (zipfile.BadZipFile, EOFError, KeyError) as error:
        raise ValueError(f'{path} is damaged ({error}): forget the saved state with --restart') from error


_SEAL = b'sha256:'  # the comment of a sealed zip file is this and 64 hexadecimal digits
_SEAL_LENGTH = len(_SEAL) + 64


def seal(content: bytes) -> bytes:
    """Put the SHA-256 of a zip file, such as `torch.save` writes, into its comment, which programs skip.

    Args:
        content: Bytes of a zip file without a comment.
    """
    sealed = content[:-2] + _SEAL_LENGTH.to_bytes(2, 'little') + _SEAL
    return sealed + hashlib.sha256(sealed).hexdigest().encode()


def damage_of(path: Path) -> str:
    """What is wrong with a checkpoint file, or '' if it is complete and undamaged.

    A sealed file is compared with its SHA-256, another zip file with the CRC-32 of its members. Bare pickles, which
    torch wrote before 1.6, have no checksum and count as whole.
    """
    path = Path(path)
    if not path.is_file():
        return 'is not there'
    size = path.stat().st_size
    if not size:
        return 'is empty'
    with open(path, 'rb') as file:
        start = file.read(2)
        file.seek(max(size - _SEAL_LENGTH, 0))
        end = file.read()
        if end.startswith(_SEAL):
            return '' if _digest_before(file, 64).encode() == end[len(_SEAL):] else 'is damaged (SHA-256 differs)'
    if start[:1] == b'\x80':
        return ''
    if start != b'PK' or not end[-22:].startswith(b'PK\5\6'):  # the record at the end of what torch writes
        return f'is no checkpoint, or only part of one ({size} bytes)'
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, RuntimeError, zlib.error) as error:
        return f'is damaged ({error})'
    return f'is damaged (CRC-32 of {damaged} differs)' if damaged else ''


def _digest_before(file: BinaryIO, num_bytes: int) -> str:
    """SHA-256 of an open file without its last bytes."""
    digest = hashlib.sha256()
    left = file.seek(0, os.SEEK_END) - num_bytes
    file.seek(0)
    while left:
        block = file.read(min(left, 1 << 20))
        digest.update(block)
        left -= len(block)
    return digest.hexdigest()


def check_writable(folder: Path) -> None:
    """Make a folder, and raise OSError unless files can be written there."""
    check_no_file(folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:  # it names the file
        raise OSError(error.errno, error.strerror, str(folder)) from error


def check_no_file(folder: Path) -> None:
    """Raise NotADirectoryError if a file stands where a folder or one above it should be."""
    for path in (folder, *folder.parents):
        if path.exists() and not path.is_dir():
            raise NotADirectoryError(f'{folder} should be a folder to write to, but {path} is a file')


def free_name(name: str, taken: Collection[str]) -> str:
    """`name`, with a number from 2 behind it where it is taken."""
    number, free = 2, name
    while free in taken:
        number, free = number + 1, f'{name}-{number}'
    return free
