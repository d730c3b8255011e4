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
CLASSES = ('cat', 'red dog')  # for those that read a text


def build(path: Path, bert_folder: str) -> torch.nn.Module:
    cfg = Config.fromfile(path)
    cfg.model.backbone.init_cfg = None  # nothing is downloaded
    if 'language_model' in cfg.model:
        cfg.model.language_model.name = bert_folder
        cfg.model.num_queries = 60  # two-stage detectors take them from the positions, of which the image has 426
        cfg.model.encoder.num_layers = cfg.model.decoder.num_layers = 2
        cfg.model.test_cfg.max_per_img = 60
    model = MODELS.build(cfg.model)
    model.init_weights()  # parts of Deformable DETR are uninitialised memory before
    return model


def batch() -> dict:
    samples = []
    for boxes in ([[10.0, 10, 90, 100], [60, 30, 150, 120]], [[5.0, 8, 45, 60]]):
        sample = DetDataSample(gt_instances=InstanceData(bboxes=torch.tensor(boxes), labels=torch.arange(len(boxes))))
        shape = dict(img_shape=(HEIGHT, WIDTH), ori_shape=(HEIGHT, WIDTH), pad_shape=(HEIGHT, WIDTH))
        sample.set_metainfo(shape | dict(scale_factor=(1.0, 1.0), img_id=len(samples),
                                        text=CLASSES, custom_entities=True))
        samples.append(sample)
    return dict(inputs=[torch.randint(0, 256, (3, HEIGHT, WIDTH), dtype=torch.uint8) for _ in samples],
                data_samples=samples)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_two_steps_of_training_and_a_prediction(path, bert_folder):
    model = build(path, bert_folder).train()
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
    if 'align' in path.stem:
        check_alignment(model, losses)
    model.eval()
    with torch.no_grad():
        results = model(**model.data_preprocessor(batch()), mode='predict')
    for result in results:
        instances = result.pred_instances
        assert instances.bboxes.shape == (len(instances.scores), 4)
        assert instances.bboxes.isfinite().all()
        assert ((instances.labels >= 0) & (instances.labels < 80)).all()


def check_alignment(model: torch.nn.Module, losses: dict[str, torch.Tensor]) -> None:
    """Each decoder layer has its term, and the terms teach the head's projections."""
    assert {name for name in losses if 'align' in name} == {'loss_align', 'd0.loss_align'}
    assert losses['loss_align'].isfinite() and losses['loss_align'] > 0
    for projection in (model.bbox_head.align_query, model.bbox_head.align_token):
        assert projection.weight.grad.any()


@pytest.mark.parametrize('path', [path for path in CONFIGS if 'pgi' in path.stem], ids=lambda path: path.stem)
def test_the_auxiliary_branch_does_not_run_at_inference(path, bert_folder):
    model = build(path, bert_folder).eval()
    ran = []
    model.aux_head.register_forward_hook(lambda *_: ran.append('head'))
    model.aux_head.branch.register_forward_hook(lambda *_: ran.append('branch'))
    with torch.no_grad():
        model(**model.data_preprocessor(batch()), mode='predict')
    assert ran == []
