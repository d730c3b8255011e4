"""Each package that does not work ends in one message, with the command that mends it."""
import importlib
import os
import subprocess
import sys
import types
from pathlib import Path

import mmcv
import pytest
import torch
from packaging.version import Version

from mmdet_ext import compat
from mmdet_ext.compat import dependencies
from mmdet_ext.doctor import State, packages
from mmdet_ext.operators import in_use

ROOT = Path(__file__).resolve().parents[2]
LITE = r'pip uninstall -y mmcv mmcv-lite, and then pip install mmcv-lite==2\.1\.0, which needs no compiler'


@pytest.fixture
def replace(monkeypatch):
    """Replace modules: by one with that version, by another object, or by an import that raises."""

    def set_modules(**modules: object) -> None:
        def import_module(name: str) -> object:
            module = modules.get(name.replace('.', '_'), '')
            if isinstance(module, Exception):
                raise module
            if isinstance(module, str):
                return types.SimpleNamespace(__version__=module) if module else importlib.import_module(name)
            return module

        monkeypatch.setattr(dependencies, 'import_module', import_module)
        monkeypatch.setattr(dependencies, 'in_use', lambda: 'mmcv__ext' not in modules and in_use())

    return set_modules


def library_that_answers(error: Exception) -> types.SimpleNamespace:
    def nms(*args: object, **kwargs: object) -> None:
        raise error

    return types.SimpleNamespace(nms=nms)


@pytest.mark.parametrize('modules, message', [
    (dict(mmengine='0.6.0'),
     r'mmengine >= 0\.7\.1, < 1\.0\.0, but found 0\.6\.0\. Try: pip install mmengine==0\.10\.7'),
    (dict(mmcv='1.7.2'), rf'mmcv >= 2\.0\.0rc4, < 3\.0\.0, but found 1\.7\.2\. Try: {LITE}'),
    (dict(mmdet='2.28.2'), r'mmdet >= 3\.0\.0, < 4\.0\.0, but found 2\.28\.2\. Try: pip install mmdet==3\.3\.0'),
    (dict(mmdet=AssertionError('MMCV==2.2.0 is used but incompatible. Please install mmcv>=2.0.0rc4, <2.2.0.')),
     rf'mmdet cannot be imported: MMCV==2\.2\.0 is used but incompatible\. Try: {LITE}'),
    (dict(mmdet=AssertionError('MMEngine==0.6.0 is used but incompatible. Please install mmengine>=0.7.1, <1.0.0.')),
     r'MMEngine==0\.6\.0 is used but incompatible\. Try: pip install mmengine==0\.10\.7'),
    (dict(mmcv=ModuleNotFoundError("No module named 'mmcv'", name='mmcv')),
     r'mmcv, which cannot be imported .*Try: pip install mmcv-lite==2\.1\.0, which needs no compiler'),
    (dict(mmengine=ModuleNotFoundError("No module named 'mmengine'", name='mmengine')),
     r'mmengine, which cannot be imported .*Try: pip install mmengine==0\.10\.7'),
    (dict(mmdet=ModuleNotFoundError("No module named 'mmdet'", name='mmdet')),
     r'mmdet, which cannot be imported .*Try: pip install mmdet==3\.3\.0'),
    (dict(mmdet=ModuleNotFoundError("No module named 'shapely'", name='shapely')),
     r"mmdet, which cannot be imported \(No module named 'shapely'\)\. Try: pip install shapely"),
    (dict(mmdet=ModuleNotFoundError("No module named 'mmcv'", name='mmcv')),
     r"mmdet, which cannot be imported .*\. Try: pip install mmcv-lite==2\.1\.0, which needs no compiler"),
    (dict(mmcv=ModuleNotFoundError("No module named 'cv2'", name='cv2')),
     r"mmcv, which cannot be imported \(No module named 'cv2'\)\. Try: pip install opencv-python"),
    (dict(mmcv=ImportError('libGL.so.1: cannot open shared object file')),
     r'mmcv, which cannot be imported \(libGL\.so\.1.*Try: apt-get install libgl1 libglib2\.0-0'),
    (dict(mmcv=AttributeError("module 'mmcv' has no attribute '__version__'")),
     rf'mmcv, which cannot be imported \(.*__version__.*\. Try: {LITE}'),
    (dict(mmcv__ext=ImportError('undefined symbol: _ZN3c10')),
     rf'undefined symbol: _ZN3c10\): they were compiled for another torch than .*\. Try: {LITE}, or set '
     'MMDET_EXT_OPERATORS=stand-in'),
    (dict(mmcv__ext=library_that_answers(RuntimeError('nms_impl: implementation for device cuda:0 not found.\nmore'))),
     rf'do not work \(nms_impl: implementation for device cuda:0 not found\.\): .*\. Try: {LITE}'),
])
def test_a_package_that_does_not_work_is_named_with_the_remedy(replace, modules, message):
    replace(**modules)
    with pytest.raises(ImportError, match=message):
        compat.check_dependencies()


def test_versions_of_the_maintained_fork_are_taken(replace):
    replace(mmengine='0.10.12', mmcv='2.3.6', mmdet='3.5.1')
    compat.check_dependencies()


def test_a_missing_torchvision_is_named_with_the_version_for_this_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torchvision', None)
    monkeypatch.setattr(torch, '__version__', '2.11.0+cu130')
    with pytest.raises(ImportError, match=r'torchvision, which is not installed\. Try: pip install .*==0\.26\.\*'):
        compat.check_dependencies()


def test_a_torchvision_for_another_torch_is_named(monkeypatch, tmp_path):
    (tmp_path / 'torchvision').mkdir()
    (tmp_path / 'torchvision/__init__.py').touch()
    (tmp_path / 'torchvision/_C.so').write_bytes(b'of another torch')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'torchvision', raising=False)
    with pytest.raises(ImportError, match=r'torchvision was compiled for another torch than .*Try: pip install'):
        compat.check_dependencies()


@pytest.fixture
def folder_of_mmcv(tmp_path) -> Path:
    """A folder on the path of modules with an mmcv that has no compiled operators."""
    (tmp_path / 'mmcv').mkdir()
    for path in Path(mmcv.__file__).parent.iterdir():
        if not path.name.startswith(('_ext', '__pycache__')):
            (tmp_path / 'mmcv' / path.name).symlink_to(path)
    return tmp_path


def run(folder: Path, *command: str) -> subprocess.CompletedProcess:
    path = os.pathsep.join([str(folder), str(ROOT)])
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, timeout=300,
                          env=os.environ | dict(PYTHONPATH=path))


@pytest.mark.skipif(Version(mmcv.__version__) >= Version('2.2'), reason='the maintained fork, which takes mmcv 2.2')
def test_an_mmcv_that_mmdet_refuses_ends_in_one_message(folder_of_mmcv):
    (folder_of_mmcv / 'mmcv/version.py').unlink()
    source = Path(mmcv.__file__).with_name('version.py').read_text()
    (folder_of_mmcv / 'mmcv/version.py').write_text(source.replace(f"'{mmcv.__version__}'", "'2.2.0'"))
    result = run(folder_of_mmcv, '-c', 'import mmdet_ext')
    last = result.stderr.strip().splitlines()[-1]
    assert 'MMCV==2.2.0 is used but incompatible. Try: pip uninstall -y mmcv mmcv-lite, and then' in last


def test_operators_that_do_not_load_are_one_line_of_the_doctor_and_of_the_table(folder_of_mmcv):
    (folder_of_mmcv / 'mmcv/_ext.py').write_text("raise ImportError('_ext.so: undefined symbol: _ZN3c10')")
    report = run(folder_of_mmcv, '-m', 'mmdet_ext.doctor')
    lines = [line for line in report.stdout.splitlines() if '_ZN3c10' in line]
    assert report.returncode == 1 and len(lines) == 1
    assert "mmcv's operators            mmcv's compiled operators do not work" in lines[0]
    table = run(folder_of_mmcv, '-m', 'mmdet_ext.operators')
    assert table.returncode == 1 and len(table.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize('command', [['-m', 'mmdet_ext.tools.train'], [str(ROOT / 'tools/train.py')]])
def test_a_command_without_a_package_that_works_prints_one_line(tmp_path, command):
    (tmp_path / 'mmdet').mkdir()
    (tmp_path / 'mmdet/__init__.py').write_text("raise ImportError('it is broken')")
    result = run(tmp_path, '-W', 'ignore', *command, 'yolov9t_shapes.py')
    assert result.returncode == 2
    assert result.stderr == ('train.py: error: mmdet_ext needs mmdet, which cannot be imported (it is broken). '
                             'Try: pip install mmdet==3.3.0.\n')


def test_another_program_gets_the_error_of_the_import(tmp_path):
    (tmp_path / 'mmdet').mkdir()
    (tmp_path / 'mmdet/__init__.py').write_text("raise ImportError('it is broken')")
    result = run(tmp_path, '-c', "try: import mmdet_ext\nexcept ImportError as error: print('caught', error)")
    assert result.stdout.startswith('caught mmdet_ext needs mmdet') and result.returncode == 0


def test_a_wrong_value_of_the_variable_is_an_error_of_the_doctor(monkeypatch):
    monkeypatch.setenv('MMDET_EXT_OPERATORS', 'fast')
    finding = next(finding for finding in packages.operators() if finding.name == "mmcv's operators")
    assert finding.state is State.ERROR and finding.remedy == 'unset MMDET_EXT_OPERATORS'


def test_mmcv_and_mmcv_lite_together_are_found(monkeypatch, folder_of_mmcv):
    for name in ('mmcv', 'mmcv_lite'):
        (folder_of_mmcv / f'{name}-2.1.0.dist-info').mkdir()
        (folder_of_mmcv / f'{name}-2.1.0.dist-info/METADATA').write_text(f'Name: {name}\nVersion: 2.1.0\n')
    monkeypatch.syspath_prepend(folder_of_mmcv)
    # these are not of the folder that mmcv is imported from
    assert 'mmcv and mmcv-lite' not in [finding.name for finding in packages.known_traps()]
    monkeypatch.setattr(packages, 'find_spec', lambda name: types.SimpleNamespace(
        origin=str(folder_of_mmcv / 'mmcv/__init__.py')))
    finding = next(finding for finding in packages.known_traps() if finding.name == 'mmcv and mmcv-lite')
    assert 'pip install mmcv-lite==2.1.0' in finding.remedy
