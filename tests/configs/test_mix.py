"""Parts of ours in mmdet's own detectors: each config builds, trains two steps, predicts, and loads its own state."""
from functools import cache
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict

from mmdet_ext.experiments.mixing.cell import TRAINED, check_model
from mmdet_ext.experiments.small_batch import batch
from mmdet_ext.experiments.small_models import offline

CONFIGS = sorted((Path(__file__).resolve().parents[2] / 'configs/mix').glob('*.py'))
assert CONFIGS
# beginnings of the names of the parameters that the part has, by the beginning of the config's name
WEIGHTS = dict(
    align_=('bbox_head.align_query.', 'bbox_head.align_token.'), fusion_=('fusion.', 'bbox_head.soft_token.'),
    pgi_=('aux_head.', ), plain_=('backbone.', ), rd_=('neck.1.dictionaries.0.', 'backbone.rd.'),
    smca_=('decoder.centre.', '.modulation.'), smca_gelan=('backbone.', ), **{'faster-rcnn_gelan': ('backbone.', )})


@cache
def loaded(path: Path) -> ConfigDict:
    return Config.fromfile(path).model


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_two_steps_of_training_a_prediction_and_a_round_trip(path, text_encoders):
    part = max((name for name in WEIGHTS if path.name.startswith(name)), key=len)
    check_model(loaded(path), WEIGHTS[part], text_encoders)


@pytest.mark.parametrize('path', [path for path in CONFIGS if 'grounding' in path.stem], ids=lambda path: path.stem)
def test_each_decoder_layer_has_the_losses_of_the_head(path, text_encoders):
    torch.manual_seed(0)
    cfg = offline(loaded(path), text_encoders)
    model = MODELS.build(cfg)
    model.init_weights()
    with torch.no_grad():
        data = model.data_preprocessor(batch(TRAINED, captioned=False, masked=False), training=True)
        losses = model(**data, mode='loss')
    name = 'loss_align' if 'align' in path.stem else 'loss_soft_token'
    assert {key for key in losses if name in key} == {name, f'd0.{name}'}
    assert losses[name].isfinite() and losses[name] > 0


@pytest.mark.parametrize('path', [path for path in CONFIGS if 'pgi' in path.stem], ids=lambda path: path.stem)
def test_the_auxiliary_branch_does_not_run_at_inference(path, text_encoders):
    model = MODELS.build(offline(loaded(path), text_encoders)).eval()
    ran = []
    model.aux_head.register_forward_hook(lambda *_: ran.append('head'))
    model.aux_head.branch.register_forward_hook(lambda *_: ran.append('branch'))
    with torch.no_grad():
        model(**model.data_preprocessor(batch(TRAINED, captioned=False, masked=False)), mode='predict')
    assert ran == []
