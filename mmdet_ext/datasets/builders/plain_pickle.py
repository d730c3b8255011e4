"""Pickles of plain values, as annotations are published in: nothing that they name is imported or run."""
import pickle
from pathlib import Path
from typing import Any

from ...checkpoints.unpickler import CONTAINERS


def load_plain_pickle(path: Path) -> Any:
    """Numbers, strings, lists, tuples, dicts and sets of a pickle, of Python 2 as well.

    Raises:
        ValueError: If the file is damaged, or names anything else.
    """
    with open(path, 'rb') as file:
        try:
            return _PlainUnpickler(file, encoding='utf-8', errors='replace').load()
        except _Refused as error:
            raise ValueError(f'{path}: refused, it names {error}, which no annotation needs') from error
        except Exception as error:  # a broken pickle can raise anything
            raise ValueError(f'{path}: not a pickle, or damaged ({error!r})') from error


class _Refused(Exception):
    """A name that is not among the plain containers."""


class _PlainUnpickler(pickle.Unpickler):

    def find_class(self, module: str, name: str) -> Any:
        origin = f'{"builtins" if module == "__builtin__" else module}.{name}'
        if origin not in CONTAINERS:
            raise _Refused(origin)
        return CONTAINERS[origin]
