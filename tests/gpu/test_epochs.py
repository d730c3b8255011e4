"""One epoch in mixed precision of a small config of each system, by tools/train.py and tools/dist_train.sh."""
import json
import math
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmdet.registry import OPTIM_WRAPPERS
from mmengine.optim import AmpOptimWrapper

from mmdet_ext import launch
from mmdet_ext.shapes import ShapesConfig, make_shapes
from mmdet_ext.text.tokenizer_training import save_encoder_folder, train_tokenizer

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ('yolov9/yolov9t_shapes', 'yolo_rd/yolov9t_rd_shapes', 'smca/smca_r18_shapes', 'mdetr/mdetr_r18_shapes')
IMAGES = 12


@pytest.fixture(scope='module')
def workplace(tmp_path_factory) -> Path:
    """A folder with the data and the text encoder where the configs look for them."""
    folder = tmp_path_factory.mktemp('workplace')
    make_shapes(folder / 'data/shapes', ShapesConfig(train=IMAGES, val=4, test=4))
    (folder / 'data/shapes_text').symlink_to('shapes')
    texts = json.loads((folder / 'data/shapes/annotations/grounding_train.json').read_text())['images']
    save_encoder_folder(train_tokenizer([image['caption'] for image in texts], 300), folder / 'data/text/shapes',
                        layers=2, hidden_size=32, heads=2, dropout=0.)
    return folder


def train(config: str, way: str, workplace: Path, amp: bool = True) -> dict[str, float]:
    """The last figures of one epoch by name, of training and of evaluation."""
    work_dir = workplace / way / Path(config).stem
    tool = [sys.executable, ROOT / 'tools/train.py', ROOT / f'configs/{config}.py']
    if way == 'dist_train':
        tool = ['bash', ROOT / 'tools/dist_train.sh', ROOT / f'configs/{config}.py', '1']
    options = ['train_cfg.max_epochs=1', 'train_cfg.val_interval=1', 'train_dataloader.batch_size=6',
               'default_hooks.logger.interval=1', 'default_hooks.report=None']
    if config.startswith('yolo'):
        options.append('optim_wrapper.paramwise_cfg.batch_size_per_gpu=6')
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    environment = dict(PYTHONPATH=str(ROOT), PYTHON=sys.executable, PORT=str(port))
    command = [*tool, *(['--amp'] if amp else []), '--work-dir', work_dir, '--cfg-options', *options]
    result = subprocess.run(list(map(str, command)), cwd=workplace, env=os.environ | environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    assert result.returncode == 0, result.stdout[-6000:]
    scalars, = work_dir.glob('*/vis_data/scalars.json')
    figures = {}
    for row in map(json.loads, scalars.read_text().splitlines()):
        figures |= row
    return figures


@pytest.mark.parametrize('config', CONFIGS)
def test_mixed_precision_knows_the_optimizer_wrapper(config, monkeypatch):
    cfg = launch.load_config(f'configs/{config}.py')
    assert OPTIM_WRAPPERS.get(cfg.optim_wrapper.type) is not None  # what is imported on the way asks for devices
    with monkeypatch.context() as patched:
        patched.setattr('torch.cuda.is_available', lambda: True)
        launch.use_amp(cfg)
    assert issubclass(OPTIM_WRAPPERS.get(cfg.optim_wrapper.type), AmpOptimWrapper)


@pytest.mark.gpu
@pytest.mark.parametrize('way', ['train', 'dist_train'])
@pytest.mark.parametrize('config', CONFIGS)
def test_one_epoch_in_mixed_precision(config, way, workplace):
    figures = train(config, way, workplace)
    assert math.isfinite(figures['loss']) and figures['memory'] > 0  # memory is the GPU's
    assert any('mAP' in name or 'recall' in name for name in figures)
    checkpoint, = (workplace / way / Path(config).stem).glob('epoch_1.pth')
    weights = torch.load(checkpoint, map_location='cpu', weights_only=False)['state_dict']
    assert all(value.isfinite().all() for value in weights.values())
