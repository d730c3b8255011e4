"""Where mmengine, mmcv and mmdet need help to work with each other and with today's torch."""
from collections.abc import Callable
from importlib import import_module
from pickle import UnpicklingError
from types import SimpleNamespace
from typing import Any

from packaging.version import Version

REQUIRED = {  # module: lowest version, first version that does not work, what to install
    'mmengine': ('0.7.1', '1.0.0', 'mmengine==0.10.7'),
    'mmcv': ('2.0.0rc4', '3.0.0', '--no-build-isolation mmcv==2.1.0'),
    'mmdet': ('3.0.0', '4.0.0', 'mmdet==3.3.0'),
}


def check_dependencies() -> None:
    """Import mmengine, mmcv, mmdet and mmcv's operators; raise an ImportError that says what to install if one fails.

    Of the operators only the compiled library is loaded, which takes no time; `mmcv.ops` imports mmengine's models.
    Versions are read from the modules, since distributions of other names (the maintained fork's) provide the same.
    """
    for module, (lowest, excluded, _) in REQUIRED.items():
        version = _version_of(module)
        if not Version(lowest) <= Version(version) < Version(excluded):
            raise ImportError(
                f'mmdet_ext needs {module} >= {lowest}, < {excluded}, but found {version}. {_remedy(module)}')
    try:
        import_module('mmcv._ext')
    except ImportError as error:  # "No module named 'mmcv._ext'" or an undefined symbol
        raise ImportError(
            f"mmcv's compiled operators do not load ({error}): it was installed without them (mmcv-lite), or compiled "
            f'for another torch. {_remedy("mmcv", "--force-reinstall --no-deps --no-cache-dir ")}') from error


def _version_of(module: str) -> str:
    try:
        return import_module(module).__version__
    except ImportError as error:
        raise ImportError(f'mmdet_ext needs {module}, which cannot be imported ({error}). {_remedy(module)}') from error
    except AssertionError as error:  # mmdet asserts which mmcv and mmengine it takes: each of its releases knows best
        raise ImportError(f'{module} cannot be imported: {error} {_remedy("mmengine")} {_remedy("mmcv")}') from error


def _remedy(module: str, options: str = '') -> str:
    return f'Try: pip install {options}{REQUIRED[module][2]}.'


def allow_mmengine_checkpoints() -> None:
    """Let ``torch.load`` read the checkpoints that mmengine's runner writes, without letting it run anything they name.

    mmengine 0.10.7 calls ``torch.load(path)``, which since torch 2.6 refuses every class it does not know. A checkpoint
    of a run holds the log (`HistoryBuffer`, which pickles its methods through ``getattr``) and numpy values, so that
    neither resuming nor testing works. mmengine's `CheckpointLoader` reads files by `checkpoints.load` from then on.
    For a process that reads such files: the command lines and the configs call it, importing the package does not.
    """
    import numpy as np
    import torch
    from mmengine.logging import HistoryBuffer
    from mmengine.runner import CheckpointLoader

    multiarray = np.empty(0).__reduce__()[0].__module__  # numpy._core.multiarray, numpy.core.multiarray in numpy 1
    reconstruct, scalar = (getattr(import_module(multiarray), name) for name in ('_reconstruct', 'scalar'))
    torch.serialization.add_safe_globals([
        HistoryBuffer, (_history_method, 'builtins.getattr'), np.ndarray, np.dtype,
        *(type(np.dtype(kind)) for kind in ('?', 'i4', 'i8', 'f4', 'f8')),
        *((reconstruct, f'{module}._reconstruct') for module in ('numpy.core.multiarray', 'numpy._core.multiarray')),
        *((scalar, f'{module}.scalar') for module in ('numpy.core.multiarray', 'numpy._core.multiarray')),
    ])
    CheckpointLoader.register_scheme(prefixes='', loader=load_from_file, force=True)


def load_from_file(filename: str, map_location: Any = None) -> dict[str, Any]:
    """What mmengine's `CheckpointLoader` calls for a file."""
    from .checkpoints import load  # only now: the package imports all models

    return load.load_from_file(filename, map_location)


def allow_lvis_evaluation() -> None:
    """Let the package lvis, if it is installed, evaluate under today's numpy.

    lvis 0.5.3 says ``np.float``, which numpy dropped in 1.24: mmdet's LVIS metrics fail when they compute figures.
    """
    import numpy as np

    try:
        evaluation = import_module('lvis.eval')
    except ImportError:
        return
    if not hasattr(np, 'float'):
        evaluation.np = SimpleNamespace(**vars(np) | dict(float=float))


def _history_method(owner: Any, name: str) -> Callable:
    from mmengine.logging import HistoryBuffer

    if owner is not HistoryBuffer or name.startswith('_'):
        raise UnpicklingError(f'a checkpoint may ask for methods of HistoryBuffer only, not for {name} of {owner}')
    return getattr(owner, name)
