"""TorchInit: the necks of SMCA-DETR and MDETR start as published."""
from pathlib import Path

import pytest
import torch.nn as nn
from mmdet.registry import MODELS
from mmengine.config import Config
from torch import Tensor

CONFIGS = sorted([*Path('configs/smca').glob('*.py'), *Path('configs/mdetr').glob('*.py'),
                  *Path('configs/mix').glob('*smca*_50e_coco.py')])


def fills(values: Tensor, bound: float) -> bool:
    """Whether values lie in [-bound, bound] and come near both ends."""
    low, high = values.min() / bound, values.max() / bound
    return -1 <= low < -0.9 and 0.9 < high <= 1


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_every_neck_starts_as_a_convolution_of_torch(path, monkeypatch):
    monkeypatch.setenv('MMDET_EXT_COCO128', 'data/coco128')
    cfg = Config.fromfile(path).model.neck
    neck = MODELS.build(cfg[0] if isinstance(cfg, list) else cfg)
    neck.init_weights()
    for conv in (part for part in neck.modules() if isinstance(part, nn.Conv2d)):
        bound = (conv.in_channels * conv.kernel_size[0] * conv.kernel_size[1])**-0.5
        assert fills(conv.weight, bound) and fills(conv.bias, bound)


def test_the_published_width_by_hand():
    neck = MODELS.build(Config.fromfile('configs/smca/smca_r50_50e_coco.py').model.neck)
    neck.init_weights()
    assert fills(neck.convs[0].conv.weight, 0.0220971)  # 1 / sqrt(2048)
    assert fills(neck.convs[0].conv.bias, 0.0220971)


def test_other_layers_keep_what_they_have():
    neck = MODELS.build(dict(type='ChannelMapper', in_channels=[16], out_channels=8, kernel_size=1,
                             init_cfg=dict(type='TorchInit', layer=['Linear'])))
    before = neck.convs[0].conv.weight.detach().clone()
    neck.init_weights()
    assert neck.convs[0].conv.weight.equal(before)
