"""MDETR's text fusion in Grounding DINO and GLIP; the configs and the grid train both."""
import pytest
import torch
from mmdet.registry import MODELS
from torch.testing import assert_close

from mmdet_ext.models.detectors.text_fusion import Fusion

ENCODER = dict(num_layers=1, layer_cfg=dict(self_attn_cfg=dict(embed_dims=16, num_heads=2, dropout=0.),
                                            ffn_cfg=dict(embed_dims=16, feedforward_channels=24)))


def inputs() -> tuple[torch.Tensor, ...]:
    torch.manual_seed(0)
    return torch.randn(1, 16, 3, 4), torch.randn(1, 5, 6), torch.ones(1, 5, dtype=torch.bool)


def test_cells_and_words_read_each_other():
    fusion = Fusion(ENCODER, text_width=6).eval()
    feat, text, mask = inputs()
    with torch.no_grad():
        cells, words = fusion(feat, None, text, mask)
        other_cells, _ = fusion(feat, None, text.flip(1) + 1, mask)
        _, other_words = fusion(feat + 1, None, text, mask)
    assert cells.shape == feat.shape and words.shape == text.shape
    assert (cells - other_cells).abs().max() > 1e-4 and (words - other_words).abs().max() > 1e-4


def test_masked_words_and_padded_cells_are_not_read():
    fusion = Fusion(ENCODER, text_width=6).eval()
    feat, text, mask = inputs()
    mask[:, 3:] = False
    padding = torch.zeros(1, 3, 4, dtype=torch.bool)
    padding[:, :, 3] = True
    changed, padded = text.clone(), feat.clone()
    changed[:, 3:], padded[..., 3] = 7., 7.
    with torch.no_grad():
        cells, words = fusion(feat, padding, text, mask)
        same_cells, same_words = fusion(padded, padding, changed, mask)
    assert_close(same_cells[..., :3], cells[..., :3])
    assert_close(same_words[:, :3], words[:, :3])


def test_every_parameter_learns():
    fusion = Fusion(ENCODER, text_width=6)
    cells, words = fusion(inputs()[0], None, *inputs()[1:])
    (cells.square().sum() + words.square().sum()).backward()
    assert [name for name, p in fusion.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize('detector', ['RetinaNet', 'DINO', 'MDETR', 'Unknown'])
def test_a_detector_without_text_of_mmdet_is_refused(detector):
    with pytest.raises(ValueError, match=f"GroundingDINO or GLIP, .* got '{detector}'"):
        MODELS.build(dict(type='TextFusion', detector=detector, fusion=ENCODER))
