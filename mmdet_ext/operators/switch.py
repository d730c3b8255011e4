"""Let ``mmcv.ops`` take its operators from one library or another, in one process: for comparisons."""
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec
from types import ModuleType

from .stand_in import NAME


@contextmanager
def operators_of(library: ModuleType) -> Iterator[None]:
    """All modules of ``mmcv.ops`` call the functions of that library."""
    import_module('mmcv.ops')
    modules = [module for name, module in sys.modules.items()
               if name.startswith('mmcv.ops.') and hasattr(module, 'ext_module')]
    before = [module.ext_module for module in modules]
    for module in modules:
        module.ext_module = library
    try:
        yield
    finally:
        for module, previous in zip(modules, before):
            module.ext_module = previous


@cache
def compiled_library() -> ModuleType | None:
    """mmcv's compiled operators, whether they are in use or not, if there are any."""
    spec = compiled_spec()
    if spec is None:
        return None
    library = module_from_spec(spec)
    spec.loader.exec_module(library)
    return library


def compiled_spec() -> ModuleSpec | None:
    """Where mmcv's compiled operators are, whether they load or not, if there are any."""
    return PathFinder.find_spec(NAME, import_module('mmcv').__path__)
