"""In the place of functions that Python 3.14 and setuptools 82 removed, and mmengine 0.10.7 and mmcv 2.1.0 call."""
import pkgutil
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def replace_removed_functions() -> None:
    """Let mmengine find packages without pkg_resources, and it and mmcv the compiled operators without `find_loader`.

    Whoever reads a config calls this first: mmengine asks for the folder of mmdet where `_base_` begins with
    ``mmdet::``, which is before the `custom_imports` of the config. It changes nothing where the functions are there,
    or where mmengine does not call them, as the maintained fork does not.
    """
    _find_packages()
    _find_operators()


def _find_packages() -> None:
    """setuptools 82 has no pkg_resources."""
    from mmengine import config, utils

    if find_spec('pkg_resources') is not None:
        return
    for name, function in dict(get_installed_path=installed_path, is_installed=is_installed).items():
        if _calls(getattr(utils, name), 'pkg_resources'):
            for module in (utils, utils.package_utils, config.config, sys.modules.get('mmengine.hub.hub')):
                if module is not None:
                    setattr(module, name, function)


def _find_operators() -> None:
    """Python 3.14 has no `pkgutil.find_loader`. mmengine calls it whenever it makes an optimizer."""
    from mmcv.utils import ext_loader
    from mmengine.utils.dl_utils import misc

    if hasattr(pkgutil, 'find_loader'):
        return
    for module, caller in ((misc, misc.mmcv_full_available), (ext_loader, ext_loader.check_ops_exist)):
        if _calls(caller, 'find_loader'):
            module.pkgutil = SimpleNamespace(**vars(pkgutil) | dict(find_loader=find_spec))


def installed_path(package: str) -> str:
    """The folder of a package's module, as `mmengine.utils.get_installed_path` gives it.

    Args:
        package: Name of a module, or of a distribution with a module of another name.

    Raises:
        ModuleNotFoundError: There is none.
    """
    for name in (package, *_modules_of(package)):
        spec = find_spec(name)
        if spec is not None and spec.origin:
            return str(Path(spec.origin).parent)
    raise ModuleNotFoundError(f'{package} is not installed', name=package)


def is_installed(package: str) -> bool:
    """Whether there is a distribution or a module of this name, as `mmengine.utils.is_installed` tells."""
    try:
        distribution(package)
    except PackageNotFoundError:
        spec = find_spec(package)
        return spec is not None and spec.origin is not None
    return True


def _modules_of(package: str) -> list[str]:
    try:
        return (distribution(package).read_text('top_level.txt') or '').split()
    except PackageNotFoundError:
        return []


def _calls(function: Callable[..., Any], name: str) -> bool:
    return name in getattr(function, '__code__', _calls.__code__).co_names
