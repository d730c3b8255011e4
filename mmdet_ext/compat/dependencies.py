"""Check the versions of mmengine, mmcv and mmdet, and say what to install if one of them does not work."""
from importlib import import_module

from packaging.version import Version

from ..operators import install

REQUIRED = {  # module: lowest version, first version that does not work, what to install
    'mmengine': ('0.7.1', '1.0.0', 'mmengine==0.10.7'),
    'mmcv': ('2.0.0rc4', '3.0.0', '--no-build-isolation mmcv==2.1.0'),
    'mmdet': ('3.0.0', '4.0.0', 'mmdet==3.3.0'),
}


def check_dependencies() -> None:
    """Import mmengine, mmcv, mmdet and mmcv's operators; raise an ImportError that says what to install if one fails.

    Only the compiled library of the operators is loaded, which is fast; importing `mmcv.ops` would also import
    mmengine's models. Versions are read from the modules, because distributions of other names, such as those of the
    maintained fork, provide the same modules.
    """
    for module, (lowest, excluded, _) in REQUIRED.items():
        version = _version_of(module)
        if not Version(lowest) <= Version(version) < Version(excluded):
            raise ImportError(
                f'mmdet_ext needs {module} >= {lowest}, < {excluded}, but found {version}. {_remedy(module)}')
    install()
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
