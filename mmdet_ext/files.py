"""Files that are either whole or not there."""
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np


@contextmanager
def replace_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which takes the place of `path` at the end, and is dropped if an exception ends the block."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f'.{path.name}.', delete=False) as file:
        try:
            yield file
        except BaseException:
            os.unlink(file.name)
            raise
    os.chmod(file.name, 0o644)  # a temporary file is for its owner alone
    os.replace(file.name, path)


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
