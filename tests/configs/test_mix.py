"""Parts of ours in mmdet's own detectors: each config builds, trains two steps and predicts."""
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData
from torch.optim import SGD

CONFIGS = sorted((Path(__file__).resolve().parents[2] / 'configs/mix').glob('*.py'))
assert CONFIGS
HEIGHT, WIDTH = 128, 160


def build(path: Path) -> torch.nn.Module:
    cfg = Config.fromfile(path)
    cfg.model.backbone.init_cfg = None  # nothing is downloaded
    model = MODELS.build(cfg.model)
    model.init_weights()  # parts of Deformable DETR are uninitialised memory before
    return model


def batch() -> dict:
    samples = []
    for boxes in ([[10.0, 10, 90, 100], [60, 30, 150, 120]], [[5.0, 8, 45, 60]]):
        sample = DetDataSample(gt_instances=InstanceData(bboxes=torch.tensor(boxes), labels=torch.arange(len(boxes))))
        shape = dict(img_shape=(HEIGHT, WIDTH), ori_shape=(HEIGHT, WIDTH), pad_shape=(HEIGHT, WIDTH))
        sample.set_metainfo(shape | dict(scale_factor=(1.0, 1.0), img_id=len(samples)))
        samples.append(sample)
    return dict(inputs=[torch.randint(0, 256, (3, HEIGHT, WIDTH), dtype=torch.uint8) for _ in samples],
                data_samples=samples)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_two_steps_of_training_and_a_prediction(path):
    model = build(path).train()
    optimizer = SGD([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    for _ in range(2):
        losses = model(**model.data_preprocessor(batch(), training=True), mode='loss')
        total, _ = model.parse_losses(losses)
        assert total.isfinite()
        optimizer.zero_grad()
        total.backward()
        idle = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
        assert idle == []
        optimizer.step()
    if 'pgi' in path.stem:
        assert any(name.startswith('aux.loss') for name in losses)
    model.eval()
    with torch.no_grad():
        results = model(**model.data_preprocessor(batch()), mode='predict')
    for result in results:
        found = result.pred_instances
        assert found.bboxes.shape == (len(found.scores), 4)
        assert found.bboxes.isfinite().all()
        assert ((found.labels >= 0) & (found.labels < 80)).all()


@pytest.mark.parametrize('path', [path for path in CONFIGS if 'pgi' in path.stem], ids=lambda path: path.stem)
def test_the_auxiliary_branch_does_not_run_at_inference(path):
    model = build(path).eval()
    ran = []
    model.aux_head.register_forward_hook(lambda *_: ran.append('head'))
    model.aux_head.branch.register_forward_hook(lambda *_: ran.append('branch'))
    with torch.no_grad():
        model(**model.data_preprocessor(batch()), mode='predict')
    assert ran == []
