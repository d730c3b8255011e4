"""mim with the package as its wheel installs it, from a folder that is not the checkout."""
import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = 'configs/yolov9/yolov9t_shapes.py'
MIM = [sys.executable, '-m', 'mim']


def test_mim_trains_and_tests(call, fast, installed):
    log = call(*MIM, 'train', 'mmdet_ext', CONFIG, '--gpus', '0', '--work-dir', 'mim', *fast, path=installed)
    assert f'will use {installed}/mmdet_ext/.mim/{CONFIG}' in log
    assert 'Epoch(train) [1]' in log and 'Training finished successfully' in log

    log = call(*MIM, 'test', 'mmdet_ext', CONFIG, '--checkpoint', 'mim/epoch_1.pth', *fast, path=installed)
    assert 'coco/bbox_mAP_50' in log and 'Testing finished successfully' in log


def test_mim_lists_the_models(call, installed):
    assert 'yolov9c_coco' in call(*MIM, 'search', 'mmdet_ext', '--valid-config', path=installed)


@pytest.fixture(scope='module')
def editable(source, tmp_path_factory) -> Path:
    """A folder with what pip installs for `pip install -e`."""
    folder = tmp_path_factory.mktemp('editable')
    code = f'''
import sys, setuptools.build_meta as backend
sys.argv = ['setup.py']
name = backend.prepare_metadata_for_build_editable({str(folder)!r})
print(backend.build_editable({str(folder)!r}, metadata_directory={str(folder)!r} + '/' + name))'''
    subprocess.run([sys.executable, '-c', code], cwd=source, check=True, capture_output=True)
    wheel = next(folder.glob('*.whl'))
    subprocess.run([sys.executable, '-m', 'pip', 'install', '-q', '--no-index', '--no-deps', '-t', str(folder / 'site'),
                    str(wheel)], check=True)
    return folder / 'site'


def test_mim_finds_an_editable_install(call, editable, source):
    code = "from mim.utils import get_installed_path; print(get_installed_path('mmdet_ext'))"
    assert call(sys.executable, '-W', 'ignore', '-c', code, path=editable).strip() == f'{source}/mmdet_ext'
    assert (source / 'mmdet_ext/.mim' / CONFIG).is_file()
