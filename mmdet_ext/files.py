"""Files that are either whole or not there."""
import errno
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np


@contextmanager
def replace_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which takes the place of `path` at the end, and is dropped if an exception ends the block.

    It reaches the disk before it takes the place, and has the permissions that the umask gives a new file.

    Raises:
        OSError: If it cannot be written, naming `path`; a full disk is named too.
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
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = shutil.disk_usage(path.parent).free
            raise OSError(error.errno, f'the disk of {path.parent.resolve()} is full ({free >> 20} MiB are free)',
                          str(path)) from error
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def read_arrays(path: Path) -> Iterator[np.lib.npyio.NpzFile]:
    """The arrays of a saved file, each read when it is asked for.

    Raises:
        ValueError: If the file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            yield arrays
    except (zipfile.BadZipFile, EOFError, KeyError) as error:
        raise ValueError(f'{path} is damaged ({error}): forget the saved state with --restart') from error


def check_writable(folder: Path) -> None:
    """Make a folder, and raise OSError unless files can be written there."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass
