import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from mmengine.logging import HistoryBuffer

from mmdet_ext import compat
from mmdet_ext.operators import in_use

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / 'configs').rglob('*.py'))


def python(code: str) -> str:
    result = subprocess.run([sys.executable, '-c', code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            env=os.environ | dict(PYTHONPATH=str(ROOT)))
    assert result.returncode == 0, result.stdout
    return result.stdout


@pytest.mark.skipif(in_use(), reason='this mmcv.ops cannot be imported before mmdet_ext')
def test_importing_prints_nothing_and_patches_nothing():
    printed = python('''
import warnings; warnings.simplefilter('ignore')
import sys, types, mmcv.ops, mmengine.runner, torch._dynamo
import mmdet.models, mmdet.datasets, mmdet.engine, mmdet.evaluation, mmdet.visualization

def names():
    """Everything that can be reached as module.name or module.class.name in the packages below this one."""
    found = {}
    for module in list(sys.modules.values()):
        if getattr(module, '__name__', '').split('.')[0] not in ('torch', 'torchvision', 'mmengine', 'mmcv', 'mmdet'):
            continue
        for name, value in list(vars(module).items()):
            found[module.__name__, name] = value
            if isinstance(value, type):
                found.update(((module.__name__, name, key), item) for key, item in list(vars(value).items()))
    return found

before = names()
warnings.simplefilter('always')
import mmdet_ext
from mmdet_ext import datasets, engine, evaluation, models, visualization
warnings.simplefilter('ignore')
after = names()
changed = [name for name, value in before.items() if after.get(name) is not value and name[-1] != '_abc_impl'
           and not isinstance(after.get(name), types.ModuleType)]  # a submodule of torch that is imported late
if changed: print('changed:', changed)
''')
    lines = [line for line in printed.splitlines() if 'mmdet_ext' in line or line.startswith('changed')]
    assert lines == [], printed
    assert python("import warnings; warnings.simplefilter('ignore'); import mmdet_ext") == ''


@pytest.fixture
def no_safe_globals():
    before = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    yield
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals(before)


def test_checkpoints_of_a_run_can_be_read(no_safe_globals, tmp_path):
    history = HistoryBuffer([1., 2.], [1, 1])
    hub = dict(loss=history, eta=np.float64(3), iter=np.int64(4))
    torch.save(dict(state_dict=dict(w=torch.ones(2)), message_hub=hub), tmp_path / 'epoch_1.pth')
    with pytest.raises(Exception, match='HistoryBuffer'):  # what mmengine's loader runs into
        torch.load(tmp_path / 'epoch_1.pth')
    compat.allow_mmengine_checkpoints()
    hub = torch.load(tmp_path / 'epoch_1.pth')['message_hub']
    assert hub['loss'].mean() == 1.5 and hub['eta'] == 3. and hub['iter'] == 4


class Evil:
    def __reduce__(self):
        return getattr, (HistoryBuffer, '__init__')


def test_checkpoints_cannot_reach_for_anything_else(no_safe_globals, tmp_path):
    compat.allow_mmengine_checkpoints()
    torch.save(dict(state_dict=Evil()), tmp_path / 'evil.pth')
    with pytest.raises(Exception, match='HistoryBuffer only|Unsupported global'):
        torch.load(tmp_path / 'evil.pth')


def test_the_wheel_holds_configs_and_tools_for_mim(wheel):
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        modes = {info.filename: info.external_attr >> 16 for info in file.infolist()}
    assert {f'mmdet_ext/.mim/{config}' for config in CONFIGS} <= names
    tools = [path.relative_to(ROOT) for files in ('*.py', '*.sh') for path in (ROOT / 'tools').rglob(files)]
    assert {f'mmdet_ext/.mim/{tool}' for tool in tools} <= names
    assert {'mmdet_ext/.mim/model-index.yml', 'mmdet_ext/.mim/configs/yolov9/metafile.yml'} <= names
    assert {'mmdet_ext/__init__.py', 'mmdet_ext/models/__init__.py'} <= names
    assert {f'mmdet_ext/report/templates/page.{kind}' for kind in ('html', 'css', 'js')} <= names
    assert modes['mmdet_ext/.mim/tools/dist_train.sh'] & 0o111
    assert not [name for name in names if '__pycache__' in name or not name.startswith(('mmdet_ext/', 'mmdet_ext-'))]


def test_a_source_distribution_makes_the_same_wheel(source, wheel, tmp_path):
    def run(*command, cwd):
        subprocess.run([sys.executable, *command], cwd=cwd, check=True, capture_output=True)

    run('setup.py', 'sdist', '-d', str(tmp_path), cwd=source)
    with tarfile.open(next(tmp_path.glob('*.tar.gz'))) as file:
        file.extractall(tmp_path, filter='data')
    unpacked = next(path for path in tmp_path.iterdir() if path.is_dir())
    run('setup.py', 'bdist_wheel', '-d', str(tmp_path), cwd=unpacked)
    again = next(tmp_path.glob('*.whl'))
    assert set(zipfile.ZipFile(again).namelist()) == set(zipfile.ZipFile(wheel).namelist())


def test_mim_finds_each_config_by_its_name():
    names = [Path(config).name for config in CONFIGS]
    assert sorted(names) == sorted(set(names))


def test_the_model_index_lists_the_configs():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    listed = []
    for metafile in index['Import']:
        content = yaml.safe_load((ROOT / metafile).read_text())
        collections = {collection['Name'] for collection in content['Collections']}
        assert {model['In Collection'] for model in content['Models']} == collections
        listed += [model['Config'] for model in content['Models']]
    assert sorted(listed) == [config for config in CONFIGS if config.split('/')[1] not in ('_base_', 'mix')]
