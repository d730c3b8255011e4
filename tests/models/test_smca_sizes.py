"""Trained parameters of SMCA-DETR's variants: the released models' to the unit, the paper's as it prints them."""
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config

PUBLISHED_HEAD = 12 * 257  # the published class layer has 92 rows for COCO's ids, ours the 80 that are used

# config, changes: trained parameters of the published model
RELEASED = {
    ('r50_50e', ()): 41_538_082,
    ('r101_50e', ()): 60_477_986,
    ('ms_conv_r50_50e', ()): 40_763_514,
    ('ms_conv_r101_50e', ()): 60_010_618,
    ('ms_conv_r50_50e', (('encoder.pointwise', False), )): 39_974_010,
    ('ms_conv_r50_50e', (('encoder.share_cross', False), )): 41_070_714,
    ('ms_conv_r50_50e', (('encoder.share_cross', False), ('encoder.kernel_size', 5))): 40_702_074,
}
THREE_INTRA = (('encoder.num_layers', 3), ('encoder.multi_scale', (False, ) * 3))
UNSHARED = (('encoder.multi_scale', (False, ) * 5), ('encoder.num_scales', 3))
# config, changes: millions as in the paper's text and tables
PAPER = {
    ('ms_r50_50e', ()): 39.53,
    ('ms_r50_50e', THREE_INTRA): 37.95,
    ('ms_r50_50e', (*UNSHARED, ('encoder.share_attention', False))): 42.16,
    ('ms_r50_50e', (*UNSHARED, ('encoder.share_ffn', False))): 44.78,
    ('ms_r50_50e', (*UNSHARED, ('encoder.share_attention', False), ('encoder.share_ffn', False))): 47.41,
    ('ms_r50_50e', (('decoder.share_kv', False), )): 41.11,
    ('ms_r50_50e_pooled', ()): 34.81,
    ('ms_r50_50e_pooled', (('neck.extra', 'conv'), )): 35.40,
}


def trained_parameters(name: str, changes: tuple) -> int:
    cfg = Config.fromfile(f'configs/smca/smca_{name}_coco.py')
    cfg.merge_from_dict({f'model.{key}': value for key, value in changes})
    with torch.device('meta'):
        return sum(p.numel() for p in MODELS.build(cfg.model).parameters() if p.requires_grad) + PUBLISHED_HEAD


@pytest.mark.parametrize('name, changes', RELEASED)
def test_the_released_models(name, changes):
    assert trained_parameters(name, changes) == RELEASED[name, changes]


@pytest.mark.parametrize('name, changes', PAPER)
def test_the_papers_models(name, changes):
    assert trained_parameters(name, changes) / 1e6 == pytest.approx(PAPER[name, changes], abs=0.01)
