"""Changes to other packages, as in `config_patches`, `mmdet_models` and `removed_functions`. A config (by
`compat.apply`) or a command makes them; `import mmdet_ext` makes none."""
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pickle import UnpicklingError
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch


def allow_mmengine_checkpoints() -> None:
    """Let ``torch.load`` read the checkpoints that mmengine's runner writes, but still run no code from them.

    mmengine 0.10.7 calls ``torch.load(path)``, which since torch 2.6 refuses every class it does not know. A checkpoint
    of a run holds the log (`HistoryBuffer`, which pickles its methods through ``getattr``) and numpy values, so that
    neither resuming nor testing works. The command lines and configs that read such files call this function; importing
    the package does not.
    """
    from mmengine.logging import HistoryBuffer

    multiarray = np.empty(0).__reduce__()[0].__module__  # numpy._core.multiarray, numpy.core.multiarray in numpy 1
    reconstruct, scalar = (getattr(import_module(multiarray), name) for name in ('_reconstruct', 'scalar'))
    torch.serialization.add_safe_globals([
        HistoryBuffer, (_history_method, 'builtins.getattr'), np.ndarray, np.dtype,
        *(type(np.dtype(kind)) for kind in ('?', 'i4', 'i8', 'f4', 'f8')),
        *((reconstruct, f'{module}._reconstruct') for module in ('numpy.core.multiarray', 'numpy._core.multiarray')),
        *((scalar, f'{module}.scalar') for module in ('numpy.core.multiarray', 'numpy._core.multiarray')),
    ])


def allow_lvis_evaluation() -> None:
    """Let the package lvis, if it is installed, evaluate under NumPy 1.24 and later.

    lvis 0.5.3 uses ``np.float``, which numpy removed in 1.24, so mmdet's LVIS metrics fail when they compute AP.
    """
    try:
        evaluation = import_module('lvis.eval')
    except ImportError:
        return
    if not hasattr(np, 'float'):
        evaluation.np = SimpleNamespace(**vars(np) | dict(float=float))


@contextmanager
def without_cuda() -> Iterator[None]:
    """Let mmengine join the processes of a distributed run where torch finds no CUDA device.

    mmengine 0.10.7 calls ``torch.cuda.set_device`` for every backend, which raises without a driver.
    """
    set_device = torch.cuda.set_device
    torch.cuda.set_device = lambda device: None
    try:
        yield
    finally:
        torch.cuda.set_device = set_device


def _history_method(owner: Any, name: str) -> Callable:
    from mmengine.logging import HistoryBuffer

    if owner is not HistoryBuffer or name.startswith('_'):
        raise UnpicklingError(f'a checkpoint may ask for methods of HistoryBuffer only, not for {name} of {owner}')
    return getattr(owner, name)
