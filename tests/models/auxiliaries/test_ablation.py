"""The forms of auxiliary supervision that YOLOv9's ablation compares: configs, and what learns in each."""
from functools import cache
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData

FOLDER = Path(__file__).resolve().parents[3] / 'configs/yolov9'
CONFIGS = sorted((FOLDER / 'ablation').glob('yolov9*.py'))
FORMS = {path.stem.split('_', 1)[1].rsplit('_', 1)[0] for path in CONFIGS}


@cache
def loaded(path: Path) -> Config:
    return Config.fromfile(path)


def test_every_size_has_each_of_the_three_forms_and_the_paper_has_these():
    assert sorted(FORMS) == ['fpn', 'fpn_neck-icn', 'icn', 'lhg-icn', 'neck-icn', 'pan', 'pfh']
    branches = dict(fpn='PyramidBranch', icn='ReversibleBranch', pfh='IdentityBranch')
    for size in 'tsmce':
        paths = [FOLDER / f'yolov9{size}_coco.py', *(path for path in CONFIGS if path.stem.startswith(f'yolov9{size}'))]
        models = [loaded(path).model for path in paths if path.stem.endswith('coco')]
        present = [model.aux_head.branch.type for model in models if isinstance(model.aux_head, dict)]
        assert set(branches.values()) <= set(present), size


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_only_the_auxiliary_head_differs(path):
    size, data = path.stem.split('_')[0], path.stem.rsplit('_', 1)[1]
    plain, model = (dict(loaded(path).model) for path in (FOLDER / f'{size}_{data}.py', path))
    assert model.pop('aux_head') != plain.pop('aux_head')
    assert model == plain


@pytest.mark.parametrize('path', [path for path in CONFIGS if path.stem.endswith('shapes')], ids=lambda path: path.stem)
def test_everything_learns_and_the_backbone_from_the_auxiliary_losses_too(path):
    torch.manual_seed(0)
    model = MODELS.build(loaded(path).model).train()
    instances = InstanceData(bboxes=torch.tensor([[4.0, 4, 40, 50]]), labels=torch.tensor([1]))
    losses = model.loss(torch.rand(2, 3, 64, 64), [DetDataSample(gt_instances=instances) for _ in range(2)])
    auxiliary = {name: value for name, value in losses.items() if name.startswith('aux')}
    assert len(auxiliary) == 3 * len(model.aux_heads)
    stem = model.backbone.trunk.downs[0].conv.weight
    for name, value in auxiliary.items():
        assert torch.autograd.grad(value, stem, retain_graph=True)[0].any(), name
    sum(losses.values()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
