"""Checks of what is installed: versions, compiled operators, and combinations that are known not to work."""
import shutil
import sys
import warnings
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distributions, metadata, requires, version

from packaging.requirements import Requirement
from packaging.version import Version

from ..compat.dependencies import REQUIRED
from .finding import Finding, State

GROUP = 'Packages'
TESTED_PYTHON = ((3, 11), (3, 12))
EXTRAS = ('text', 'clip', 'report', 'export', 'app', 'track', 'lvis')
FIRST_SETUPTOOLS_WITHOUT_PKG_RESOURCES = Version('82')
FIRST_TORCH_WITHOUT_MMCV = Version('2.14')
MMCV_AGAIN = ('pip install --force-reinstall --no-deps --no-cache-dir --no-build-isolation mmcv==2.1.0, '
              'after torch is installed')


def python() -> list[Finding]:
    """The interpreter."""
    major_minor = sys.version_info[:2]
    text = f'{sys.version.split()[0]} at {sys.executable}'
    if major_minor in TESTED_PYTHON:
        return [Finding(GROUP, 'Python', State.OK, text)]
    return [Finding(GROUP, 'Python', State.WARNING, f'{text}; tested are 3.11 and 3.12, and mmcv 2.1.0 does not build '
                    'on 3.13', 'make PYTHON=python3.11 install')]


def required() -> list[Finding]:
    """The packages without which nothing runs."""
    findings = [_imported(module, 'pip install torch torchvision') for module in ('torch', 'torchvision')]
    for module, (lowest, excluded, install) in REQUIRED.items():
        finding = _imported(module, f'pip install {install}')
        if finding.state is State.OK and not Version(lowest) <= Version(finding.text) < Version(excluded):
            finding = Finding(GROUP, module, State.ERROR, f'{finding.text}, but >= {lowest}, < {excluded} is needed',
                              f'pip install {install}')
        findings.append(finding)
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
    """Compiled operators: that of torchvision and those of mmcv, on the CPU and on a GPU if there is one."""
    import torch

    devices = ['cpu', *(['cuda'] if torch.cuda.is_available() else [])]
    findings = [_nms('torchvision.ops', device, 'pip install torch and torchvision in one command, of the same build')
                for device in devices]
    try:
        library = import_module('mmcv._ext')
    except ImportError as error:
        return [*findings, Finding(GROUP, "mmcv's operators", State.ERROR, f'do not load: {error}', MMCV_AGAIN)]
    cuda = getattr(library, 'get_compiling_cuda_version', lambda: 'not known')()
    findings.append(Finding(GROUP, "mmcv's operators", State.OK, f'compiled with {library.get_compiler_version()}, '
                            f'CUDA {cuda}'))
    again = MMCV_AGAIN if devices == ['cpu'] else f'FORCE_CUDA=1 {MMCV_AGAIN}; this needs nvcc'
    return findings + [_nms('mmcv.ops', device, again) for device in devices]


def known_traps() -> list[Finding]:
    """Combinations that install without an error and fail later."""
    findings = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # that it is deprecated
            import_module('pkg_resources')
    except ImportError:
        findings.append(Finding(GROUP, 'setuptools', State.ERROR, f'{_version("setuptools")} has no pkg_resources, '
                                "with which mmengine resolves _base_ = 'mmdet::...'", 'pip install "setuptools<82"'))
    names = {(entry.metadata['Name'] or '').lower().replace('_', '-') for entry in distributions()}
    pairs = [({'opencv-python', 'opencv-python-headless'}, 'pip uninstall opencv-python-headless'),
             ({'mmcv', 'mmcv-lite'}, 'pip uninstall mmcv-lite'), ({'mmcv', 'mmcv-full'}, 'pip uninstall mmcv-full'),
             ({'openmim', 'onedl-mim'}, 'pip uninstall onedl-mim')]
    findings += [Finding(GROUP, ' and '.join(sorted(pair)), State.WARNING, 'both install the same modules', remedy)
                 for pair, remedy in pairs if pair <= names]
    torch_version = _version('torch')
    if torch_version and Version(torch_version) >= FIRST_TORCH_WITHOUT_MMCV and 'mmcv' in names:
        findings.append(Finding(GROUP, 'torch', State.WARNING, f'{torch_version}: mmcv 2.1.0 does not compile against '
                                'torch 2.14 and later', 'pip install torch==2.11.0 torchvision==0.26.0'))
    transformers = _version('transformers')
    if transformers and Version(transformers) < Version('5'):
        findings.append(Finding(GROUP, 'transformers', State.WARNING, f'{transformers}; tested is 5',
                                'pip install "mmdet_ext[text]"'))
    if not shutil.which('mim') and 'openmim' in names:
        findings.append(Finding(GROUP, 'mim', State.WARNING, 'is installed and not on the PATH', 'python -m mim ...'))
    return findings


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


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
