"""GELANPAN: maps and errors."""
import pytest
import torch
from mmdet_ext.models.necks import GELANPAN


@pytest.mark.parametrize('arch, channels', [('t', (64, 96, 128)), ('s', (128, 192, 256)), ('m', (240, 360, 480)),
                                            ('c', (512, 512, 512)), ('e', (512, 1024, 1024))])
def test_levels_keep_their_sizes(arch, channels):
    with torch.device('meta'):
        neck = GELANPAN(arch)
        maps = neck([torch.zeros(1, c, s, 2 * s) for c, s in zip(channels, (8, 4, 2))])
    assert [tuple(x.shape[1:]) for x in maps] == [(c, s, 2 * s) for c, s in zip(neck.out_channels, (8, 4, 2))]


def test_takes_the_channels_of_another_backbone():
    neck = GELANPAN('t', in_channels=(8, 16, 24)).eval()
    maps = neck([torch.rand(1, c, s, s) for c, s in ((8, 8), (16, 4), (24, 2))])
    assert [x.shape[1] for x in maps] == [64, 96, 128]


def test_every_parameter_learns():
    neck = GELANPAN('t')
    sum(x.square().sum() for x in neck([torch.rand(2, c, s, s) for c, s in ((64, 8), (96, 4), (128, 2))])).backward()
    assert [name for name, p in neck.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_another_number_of_levels_is_refused():
    with pytest.raises(ValueError, match=r'three levels, got \(64, 96\)'):
        GELANPAN('t', in_channels=(64, 96))
