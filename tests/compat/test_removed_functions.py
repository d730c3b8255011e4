"""mmengine and mmcv work where setuptools has no pkg_resources and Python no `pkgutil.find_loader`."""
import pkgutil
import sys
from pathlib import Path

import mmdet
import mmengine
import pytest
import torch
from mmcv.utils import ext_loader
from mmdet_ext.compat import replace_removed_functions
from mmdet_ext.compat.removed_functions import installed_path, is_installed
from mmengine import utils
from mmengine.config import Config, config
from mmengine.optim import build_optim_wrapper
from mmengine.utils import package_utils
from mmengine.utils.dl_utils import misc

MODULES = (utils, package_utils, config)


@pytest.fixture
def original(monkeypatch):
    """mmengine's and mmcv's own functions, before and after the test."""
    before = [(module, name, getattr(module, name)) for module in MODULES
              for name in ('get_installed_path', 'is_installed')]
    before += [(module, 'pkgutil', pkgutil) for module in (misc, ext_loader) if hasattr(module, 'pkgutil')]
    for module, name, value in before:
        monkeypatch.setattr(module, name, value)  # set again when the test is over
    return before


@pytest.fixture
def without_pkg_resources(monkeypatch, original):
    monkeypatch.setitem(sys.modules, 'pkg_resources', None)


@pytest.fixture
def without_find_loader(monkeypatch, original):
    monkeypatch.delattr(pkgutil, 'find_loader', raising=False)


def test_bases_of_mmdet_are_found_without_pkg_resources(without_pkg_resources, tmp_path):
    file = tmp_path / 'config.py'
    file.write_text("_base_ = 'mmdet::_base_/default_runtime.py'\n")
    replace_removed_functions()
    assert Config.fromfile(file).default_scope == 'mmdet'
    assert utils.get_installed_path('mmdet') == str(Path(mmdet.__file__).parent)


def test_paths_and_names_are_those_of_mmengine():
    for package in ('mmengine', 'mmdet', 'torch'):
        assert Path(installed_path(package)) == Path(sys.modules[package].__file__).parent
        assert is_installed(package)
    assert installed_path('Pillow') == installed_path('PIL')  # a distribution whose module has another name
    assert is_installed('Pillow') and not is_installed('no_such_package')
    with pytest.raises(ModuleNotFoundError, match='no_such_package is not installed'):
        installed_path('no_such_package')


def test_optimizers_are_made_without_find_loader(without_find_loader):
    replace_removed_functions()
    build_optim_wrapper(torch.nn.Linear(2, 2), dict(optimizer=dict(type='SGD', lr=0.1)))
    assert misc.mmcv_full_available() and ext_loader.check_ops_exist()


def test_nothing_is_replaced_where_everything_is_there(monkeypatch, original):
    monkeypatch.setitem(sys.modules, 'pkg_resources', mmengine)  # any module
    monkeypatch.setattr(pkgutil, 'find_loader', lambda name: None, raising=False)
    replace_removed_functions()
    assert all(getattr(module, name) is value for module, name, value in original)


def test_functions_that_do_without_are_left_alone(monkeypatch, without_pkg_resources):
    """Those of the maintained fork."""
    def own(package: str) -> str:
        return package

    for module in MODULES:
        monkeypatch.setattr(module, 'get_installed_path', own)
    replace_removed_functions()
    assert config.get_installed_path is own
