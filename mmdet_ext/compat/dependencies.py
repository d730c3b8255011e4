"""Check torchvision, mmengine, mmcv, its operators and mmdet, and say what to install if one of them does not work.

Versions are read from the modules, because distributions of other names, such as those of the maintained fork, provide
the same modules. torchvision and ``mmcv.ops`` are not imported, which would take seconds: only their compiled libraries
are loaded.
"""
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path

import torch
from packaging.version import Version

from ..operators import VARIABLE, in_use, install

WITHOUT_COMPILER = 'pip uninstall -y mmcv mmcv-lite, and then pip install mmcv-lite==2.1.0, which needs no compiler'
REQUIRED = {  # module: lowest version, first version that does not work, what to do
    'mmengine': ('0.7.1', '1.0.0', 'pip install mmengine==0.10.7'),
    'mmcv': ('2.0.0rc4', '3.0.0', WITHOUT_COMPILER),
    'mmdet': ('3.0.0', '4.0.0', 'pip install mmdet==3.3.0'),
}
NOT_INSTALLED = {  # what to do where a module is missing, if it is neither that of REQUIRED nor its name says it
    'mmcv': 'pip install mmcv-lite==2.1.0, which needs no compiler',
    'cv2': 'pip install opencv-python',
    'yaml': 'pip install pyyaml',
    'PIL': 'pip install pillow',
    'pkg_resources': 'pip install "setuptools<82"',
}
LIBRARIES_OF_OPENCV = ('libGL', 'libgthread', 'libglib')


class DependencyError(ImportError):
    """A package that mmdet_ext needs does not work.

    Attributes:
        text: What was seen, with values.
        remedy: The command that mends it.
    """

    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(f'{text}. Try: {remedy}.')
        self.text = text
        self.remedy = remedy


def check_dependencies() -> None:
    """Raise a `DependencyError` that says what to install, if a package does not work."""
    check_torchvision()
    for module in REQUIRED:
        check_package(module)
    check_operators()


def check_package(name: str) -> str:
    """The version of mmengine, mmcv or mmdet, if it works here."""
    lowest, excluded, remedy = REQUIRED[name]
    try:
        version = import_module(name).__version__
    except ModuleNotFoundError as error:
        remedy = _remedy_for_missing((error.name or name).partition('.')[0])
        raise DependencyError(f'mmdet_ext needs {name}, which cannot be imported ({error})', remedy) from error
    except (ImportError, AttributeError, OSError) as error:  # no __version__: a folder without the package's files
        if str(error).startswith(LIBRARIES_OF_OPENCV):  # slim containers have none
            remedy = 'apt-get install libgl1 libglib2.0-0'
        raise DependencyError(f'mmdet_ext needs {name}, which cannot be imported ({error})', remedy) from error
    except AssertionError as error:  # mmdet asserts which mmcv and mmengine it takes: each of its releases knows best
        refused = 'mmcv' if str(error).startswith('MMCV') else 'mmengine'
        text = str(error).partition('. ')[0]
        raise DependencyError(f'{name} cannot be imported: {text}', REQUIRED[refused][2]) from error
    if not Version(lowest) <= Version(version) < Version(excluded):
        raise DependencyError(f'mmdet_ext needs {name} >= {lowest}, < {excluded}, but found {version}', remedy)
    return version


def check_torchvision() -> None:
    """Raise a `DependencyError` if torchvision is not there, or its operators were compiled for another torch."""
    spec = find_spec('torchvision')
    if spec is None:
        raise DependencyError('mmdet_ext needs torchvision, which is not installed', torchvision_remedy())
    for folder in spec.submodule_search_locations or ():
        for library in Path(folder).glob('_C.*'):
            if not library.name.endswith(tuple(EXTENSION_SUFFIXES)):
                continue
            try:
                torch.ops.load_library(library)
            except OSError as error:
                raise DependencyError(f'torchvision was compiled for another torch than {torch.__version__} ({error})',
                                      torchvision_remedy()) from error


def check_operators() -> str:
    """Install the stand-in for mmcv's operators where it is to be used, and say what is in use.

    A compiled library that loads may still be one for another torch, which answers calls with errors.
    """
    try:
        install()
    except ImportError as error:  # a wrong value of the variable, or mmcv.ops was imported before
        raise DependencyError(str(error), f'unset {VARIABLE}') from error
    try:
        library = import_module('mmcv._ext')
        if not in_use():
            boxes = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 9.]])
            library.nms(boxes, torch.tensor([0.9, 0.8]), iou_threshold=0.5, offset=0)
    except (ImportError, RuntimeError) as error:  # an undefined symbol, "implementation for device cuda:0 not found"
        raise DependencyError(f"mmcv's compiled operators do not work ({str(error).splitlines()[0]}): they were "
                              f'compiled for another torch than {torch.__version__}',
                              f'{WITHOUT_COMPILER}, or set {VARIABLE}=stand-in') from error
    return 'mmdet_ext.operators' if in_use() else 'compiled'


def _remedy_for_missing(module: str) -> str:
    """The command that installs a module: mmdet may be there, and mmcv, which it imports, may not."""
    if module in NOT_INSTALLED:
        return NOT_INSTALLED[module]
    return REQUIRED[module][2] if module in REQUIRED else f'pip install {module}'


def torchvision_remedy() -> str:
    """The command that installs the torchvision for this torch: 0.26 is for torch 2.11, and so on."""
    major, minor = Version(torch.__version__).release[:2]
    requirement = f'torchvision==0.{minor + 15}.*' if major == 2 else 'torchvision'
    return f'pip install --force-reinstall --no-deps {requirement}, from the index that torch came from'
