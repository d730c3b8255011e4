"""Fixtures that all tests share."""
import os

# One thread each: the tests are small, and threads that wait for a core of a busy machine cost them seconds.
os.environ.setdefault('OMP_NUM_THREADS', '1')

import ast
import gc
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import simulated_device
import torch
from mmengine.config import config as config_module
from mmengine.config import utils
from mmengine.registry import init_default_scope
from simulated_device import SimulatedDevice

import mmdet_ext  # noqa: F401  registers what the tests name by `type`
from mmdet_ext.compat.config_patches import formatter_module
from mmdet_ext.text.tokenizer_training import save_encoder_folder, train_tokenizer

gc.disable()  # see `pytest_runtest_logfinish`
ROOT = Path(__file__).resolve().parents[1]
TEXTS = ['a red circle left of the blue square', 'two dogs and a cat run over the green grass', 'the small cat sits']


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption('--device', choices=('cpu', 'cuda', 'simulated'), default='cpu',
                     help='where tests/parity computes (tolerances on CUDA: tests/golden/compare.py); simulated is the '
                          'CPU with tensors of a device of their own')


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption('device') == 'cuda':
        if not torch.cuda.is_available():
            raise pytest.UsageError('--device cuda: torch sees no CUDA device')
        # products of float32 in float32, as on the CPU
        torch.set_float32_matmul_precision('highest')
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: ROOT / 'tests/tools' not in item.path.parents)  # the longest, so that no process waits
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker('gpu'):
                item.add_marker(pytest.mark.skip(reason='torch sees no CUDA device'))


def pytest_collection_finish() -> None:
    gc.freeze()


def pytest_runtest_logfinish() -> None:
    """Garbage is collected between tests only, without what was imported: elsewhere it would need a tenth of the time,
    and where its finalizers parse Python while CPython 3.11 does, that ends in a SystemError."""
    if gc.get_count()[0] > 100_000:
        gc.collect()


@pytest.fixture(scope='session')
def device(pytestconfig) -> Iterator[torch.device]:
    """Where models run whose numbers are compared with published ones."""
    name = pytestconfig.getoption('device')
    if name != 'simulated':
        yield torch.device(name)
        return
    with SimulatedDevice():
        yield torch.device(simulated_device.NAME)


@pytest.fixture(autouse=True, scope='session')
def plain_configs() -> None:
    """Configs are checked, but not laid out, before runners write them: yapf needs up to two seconds for each. And the
    hundred metafiles of mmdet, in which mmengine looks for each `mmdet::` base, are read once, as are the packages."""
    formatter_module().FormatCode = lambda text, **_: (f'{ast.unparse(ast.parse(text))}\n', True)
    utils.load = cache(utils.load)
    config_module.is_installed = cache(config_module.is_installed)


@pytest.fixture(autouse=True, scope='session')
def impatience() -> None:
    """Data workers that do not end are waited for a moment, and not five seconds: those of a runner that is garbage
    cannot be told to end."""
    torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL = 0.5


@pytest.fixture(scope='module')
def shallow_blocks() -> Iterator[None]:
    """YOLOv9-T with one layer, not three, in each part of its blocks: what does not depend on them takes less time."""
    from mmdet_ext.models.layers.gelan_arch import SIZES

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, 't', dict(SIZES['t'], csp_depth=(0, 1, 1, 1)))
        yield


@pytest.fixture(autouse=True)
def mmdet_scope():
    init_default_scope('mmdet')


@pytest.fixture(autouse=True)
def checkout(monkeypatch):
    """Tests name configs and tools as from the checkout, wherever pytest was started."""
    monkeypatch.chdir(ROOT)


@pytest.fixture(autouse=True)
def fixed_seeds():
    random.seed(0)
    np.random.seed(0)
    if torch.cuda.is_available():
        torch.manual_seed(0)
    else:  # `torch.manual_seed` keeps a traceback of each call for each kind of device that is not there
        torch.default_generator.manual_seed(0)


@pytest.fixture(scope='session')
def coco128() -> Path:
    """Folder with annotations/instances_train2017.json, train2017/ and their val2017 twins: 128 images of COCO."""
    folder = os.environ.get('MMDET_EXT_COCO128')
    if not folder:
        pytest.skip('MMDET_EXT_COCO128 is not set to a folder of coco128')
    if not Path(folder, 'annotations', 'instances_train2017.json').is_file():
        pytest.fail(f'MMDET_EXT_COCO128={folder} has no annotations/instances_train2017.json')
    return Path(folder)


@pytest.fixture(scope='session')
def text_folder(tmp_path_factory) -> str:
    """What `RobertaTextEncoder(folder, pretrained=False)` takes."""
    folder = tmp_path_factory.mktemp('text') / 'encoder'
    save_encoder_folder(train_tokenizer(TEXTS, 300), folder, layers=2, hidden_size=32, heads=2)
    return str(folder)


@pytest.fixture(scope='session')
def source(tmp_path_factory) -> Path:
    """A copy of what a checkout holds, so that builds leave nothing in this one."""
    folder = tmp_path_factory.mktemp('source')
    for name in ('mmdet_ext', 'configs', 'tools'):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns('__pycache__', '.mim'))
    for name in ('setup.py', 'model-index.yml', 'LICENSE'):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope='session')
def wheel(source, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('wheel')
    subprocess.run([sys.executable, '-m', 'pip', 'wheel', '-q', '--no-index', '--no-deps', '--no-build-isolation',
                    '--use-pep517', '-w', str(folder), str(source)], check=True)
    return next(folder.glob('*.whl'))
