"""RDNeck: levels and errors."""
import pytest
import torch
from mmdet.registry import MODELS
from mmdet_ext.models.necks import RDNeck


def feats() -> list[torch.Tensor]:
    return [torch.randn(2, c, s, s) for c, s in ((8, 6), (8, 3), (12, 2))]


def test_every_level_keeps_its_shape_and_every_parameter_learns():
    neck = RDNeck([8, 8, 12], num_atoms=16)
    maps = neck(feats())
    assert [x.shape for x in maps] == [x.shape for x in feats()]
    sum(x.square().sum() for x in maps).backward()
    assert [name for name, p in neck.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_levels_that_are_not_chosen_pass():
    neck, maps = RDNeck([8, 8, 12], levels=[1], num_atoms=16).eval(), feats()
    outputs = neck(maps)
    assert outputs[0] is maps[0] and outputs[2] is maps[2]
    assert not outputs[1].equal(maps[1])


def test_it_stands_behind_another_neck_in_a_config():
    necks = MODELS.build([dict(type='FPN', in_channels=[8, 8, 12], out_channels=8, num_outs=3),
                          dict(type='RDNeck', in_channels=[8] * 3, num_atoms=16, alpha=0.0)])
    with torch.no_grad():
        maps = feats()
        assert all(a.equal(b) for a, b in zip(necks(maps), necks[0](maps)))


def test_a_level_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r'levels should be in 0..2, got \[3\]'):
        RDNeck([8, 8, 12], levels=[3])


@pytest.mark.parametrize('maps, got', [(feats()[:2], '2 maps of 8, 8'), (feats()[::-1], '3 maps of 12, 8, 8')])
def test_maps_that_do_not_fit_are_named(maps, got):
    with pytest.raises(ValueError, match=rf'RDNeck has in_channels=\[8, 8, 12\], and gets {got} channels'):
        RDNeck([8, 8, 12])(maps)
