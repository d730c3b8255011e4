"""Checks of what is installed: versions, compiled operators, and combinations that are known not to work."""
import os
import shutil
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distributions, metadata, requires, version
from importlib.util import cache_from_source, find_spec
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from ..compat.dependencies import (REQUIRED, WITHOUT_COMPILER, DependencyError, check_operators, check_package,
                                   check_torchvision, torchvision_remedy)
from ..operators import VARIABLE, in_use
from .finding import Finding, State

GROUP = 'Packages'
TESTED_PYTHON = ((3, 11), (3, 12), (3, 13), (3, 14))
EXTRAS = ('text', 'clip', 'report', 'export', 'app', 'track', 'lvis')
FIRST_SETUPTOOLS_WITHOUT_PKG_RESOURCES = Version('82')
FIRST_TORCH_WITHOUT_MMCV = Version('2.14')


def python() -> list[Finding]:
    """The interpreter."""
    major_minor = sys.version_info[:2]
    text = f'{sys.version.split()[0]} at {sys.executable}'
    if major_minor in TESTED_PYTHON:
        return [Finding(GROUP, 'Python', State.OK, text)]
    tested = ', '.join(f'{major}.{minor}' for major, minor in TESTED_PYTHON)
    return [Finding(GROUP, 'Python', State.WARNING, f'{text}; tested are {tested}',
                    'make clean, and then make PYTHON=python3.12 install')]


def bytecode() -> list[Finding]:
    """Whether Python finds torch's modules compiled, or may keep what it compiles."""
    spec = find_spec('torch')
    if spec is None:  # `required` says so
        return []
    module = Path(spec.origin)
    cached = Path(cache_from_source(module))
    if cached.is_file() or (not sys.dont_write_bytecode and os.access(module.parent, os.W_OK)):
        return []
    why = 'PYTHONDONTWRITEBYTECODE is set' if sys.dont_write_bytecode else f'{module.parent} cannot be written'
    return [Finding(GROUP, 'bytecode', State.WARNING, f'there is none of torch, and {why}: every command compiles '
                    'thousands of modules before it begins', f'{sys.executable} -m compileall -q {module.parents[1]}')]


def required() -> list[Finding]:
    """The packages without which nothing runs."""
    findings = [_imported('torch', 'pip install torch torchvision'), _torchvision()]
    findings += [_checked(module, partial(check_package, module)) for module in REQUIRED]
    findings += [_imported(module, f'pip install {module}') for module in ('numpy', 'supervision')]
    return findings


def extras() -> list[Finding]:
    """The optional libraries, by the extra that installs them; ranges are those of the package's own metadata."""
    try:
        listed = [Requirement(line) for line in requires('mmdet_ext') or ()]
    except PackageNotFoundError:
        return [Finding('Extras', 'mmdet_ext', State.WARNING, 'is not installed, so its extras are not known',
                        'pip install -e .')]
    findings = []
    if unknown := [name for name in EXTRAS if name not in metadata('mmdet_ext').get_all('Provides-Extra', ())]:
        findings.append(Finding('Extras', 'mmdet_ext', State.WARNING, 'was installed before this code had the extras '
                                f'{", ".join(unknown)}, so their libraries are not checked', 'pip install -e .'))
    for requirement in listed:
        extra = next((name for name in EXTRAS
                      if requirement.marker and requirement.marker.evaluate({'extra': name})
                      and not requirement.marker.evaluate({'extra': ''})), None)
        if extra is None:
            continue
        install = f'pip install "mmdet_ext[{extra}]"'
        name = f'{requirement.name} ({extra})'
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            findings.append(Finding('Extras', name, State.MISSING, 'not installed', install))
            continue
        fits = requirement.specifier.contains(installed, prereleases=True)
        findings.append(Finding('Extras', name, State.OK if fits else State.WARNING,
                                installed if fits else f'{installed}, but {requirement.specifier} is needed',
                                '' if fits else install))
    return findings


def operators() -> list[Finding]:
    """Operators of torchvision, and those of mmcv or what stands for them, on the CPU and on a GPU if there is one."""
    import torch

    devices = ['cpu', *(['cuda'] if torch.cuda.is_available() else [])]
    findings = []
    if _torchvision().state is State.OK:
        findings += [_nms('torchvision.ops', device, torchvision_remedy()) for device in devices]
    if _checked('mmcv', partial(check_package, 'mmcv')).state is State.ERROR:
        return findings
    finding = _checked("mmcv's operators", check_operators)
    if finding.state is State.ERROR:
        return [*findings, finding]
    if in_use():
        text = f'mmdet_ext.operators on torchvision {_version("torchvision")}: python -m mmdet_ext.operators lists them'
        return [*findings, replace(finding, text=text)]
    library = import_module('mmcv._ext')
    cuda = getattr(library, 'get_compiling_cuda_version', lambda: 'not known')()
    text = f'compiled with {library.get_compiler_version()}, CUDA {cuda}'
    return [*findings, replace(finding, text=text),
            *(_nms('mmcv.ops', device, f'export {VARIABLE}=stand-in, or {WITHOUT_COMPILER}') for device in devices)]


def known_traps() -> list[Finding]:
    """Combinations that install without an error and fail later."""
    findings = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # that it is deprecated
            import_module('pkg_resources')
    except ImportError:
        findings.append(Finding(GROUP, 'setuptools', State.WARNING, f'{_version("setuptools")} has no pkg_resources, '
                                "without which mim does not start, and MMDetection's own programs find no base "
                                "'mmdet::...'", 'pip install "setuptools<82"'))
    names = _installed()
    pairs = [({'opencv-python', 'opencv-python-headless'}, 'pip uninstall opencv-python-headless'),
             ({'mmcv', 'mmcv-lite'}, WITHOUT_COMPILER), ({'mmcv', 'mmcv-full'}, 'pip uninstall -y mmcv-full'),
             ({'openmim', 'onedl-mim'}, 'pip uninstall onedl-mim')]
    findings += [Finding(GROUP, ' and '.join(sorted(pair)), State.WARNING, 'both install the same modules', remedy)
                 for pair, remedy in pairs if pair <= names]
    torch_version = _version('torch')
    if torch_version and Version(torch_version) >= FIRST_TORCH_WITHOUT_MMCV and 'mmcv' in names:
        findings.append(Finding(GROUP, 'torch', State.WARNING, f'{torch_version}: mmcv 2.1.0 does not compile against '
                                'torch 2.14 and later', WITHOUT_COMPILER))
    if not shutil.which('mim') and 'openmim' in names:
        findings.append(Finding(GROUP, 'mim', State.WARNING, 'is installed and not on the PATH', 'python -m mim ...'))
    return findings


def _checked(name: str, check: Callable[[], str]) -> Finding:
    """What a check of `compat.dependencies` says."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            return Finding(GROUP, name, State.OK, check())
    except DependencyError as error:
        return Finding(GROUP, name, State.ERROR, error.text, error.remedy)


def _torchvision() -> Finding:
    """Its version; the import fails where its library does not load, with another message."""
    checked = _checked('torchvision', lambda: check_torchvision() or '')
    return _imported('torchvision', torchvision_remedy()) if checked.state is State.OK else checked


def _imported(module: str, remedy: str) -> Finding:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            return Finding(GROUP, module, State.OK, import_module(module).__version__)
    except Exception as error:  # ImportError; mmdet asserts versions, compiled libraries raise OSError or RuntimeError
        first_line = (str(error) or type(error).__name__).splitlines()[0]
        return Finding(GROUP, module, State.ERROR, f'cannot be imported: {first_line}', remedy)


def _nms(module: str, device: str, remedy: str) -> Finding:
    """Two boxes of which one is to be suppressed."""
    import torch

    name = f'{module.partition(".")[0]} nms, {device}'
    boxes = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]], dtype=torch.float32, device=device)
    try:
        kept_rows = import_module(module).nms(boxes, torch.tensor([.9, .8, .7], device=device), 0.5)
        rows = (kept_rows[1] if isinstance(kept_rows, tuple) else kept_rows).tolist()
    except Exception as error:
        return Finding(GROUP, name, State.ERROR, f'fails: {str(error).splitlines()[0]}', remedy)
    state = State.OK if rows == [0, 2] else State.ERROR
    return Finding(GROUP, name, state, 'works' if state is State.OK else f'gives rows {rows} instead of [0, 2]',
                   '' if state is State.OK else remedy)


def _installed() -> set[str]:
    """Names of the distributions, without those of mmcv that another one on the path of modules hides."""
    mmcv = find_spec('mmcv')
    folder = Path(mmcv.origin).parents[1] if mmcv and mmcv.origin else None
    names = set()
    for entry in distributions():
        name = (entry.metadata['Name'] or '').lower().replace('_', '-')
        if not (folder and name.startswith('mmcv') and Path(entry.locate_file('')).resolve() != folder.resolve()):
            names.add(name)
    return names


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
