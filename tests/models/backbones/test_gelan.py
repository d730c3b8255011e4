"""GELAN: maps, freezing, errors."""
import pytest
import torch
from mmdet.registry import MODELS
from mmdet_ext.models.backbones import GELAN
from torch.testing import assert_close


@pytest.mark.parametrize('arch', ['t', 's', 'm', 'c', 'e'])
def test_maps_have_the_channels_and_strides_they_announce(arch):
    with torch.device('meta'):
        backbone = MODELS.build(dict(type='GELAN', arch=arch, out_indices=(0, 1, 2, 3)))
        maps = backbone(torch.zeros(1, 3, 96, 160))
    assert tuple(x.shape[1] for x in maps) == backbone.out_channels
    assert [tuple(x.shape[2:]) for x in maps] == [(24, 40), (12, 20), (6, 10), (3, 5)]


def test_size_e_appends_its_first_pass_on_request():
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        backbone = GELAN('e', with_first_pass=True).eval()
        maps = backbone(image)
        first = backbone.trunk(image)[2:]
    assert len(maps) == len(backbone.out_channels) == 6
    assert all(a.equal(b) for a, b in zip(maps[3:], first))


def test_every_parameter_of_size_e_learns():
    with torch.device('meta'):
        backbone = GELAN('e')
        sum(x.sum() for x in backbone(torch.zeros(2, 3, 32, 32))).backward()
    assert [name for name, p in backbone.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize('arch', ['t', 'e'])
def test_what_no_map_needs_is_not_built(arch):
    with torch.device('meta'):
        backbone = GELAN(arch, out_indices=(0, 1))
        maps = backbone(torch.zeros(2, 3, 64, 64))
        sum(x.sum() for x in maps).backward()
    assert [tuple(x.shape[2:]) for x in maps] == [(16, 16), (8, 8)]
    assert [name for name, p in backbone.named_parameters() if p.grad is None] == []


def test_frozen_stages_stay_as_they_are_in_training():
    backbone = GELAN('t', frozen_stages=1).train()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    sum(x.sum() for x in backbone(torch.rand(2, 3, 64, 64))).backward()
    frozen = ('trunk.downs.0.', 'trunk.downs.1.', 'trunk.downs.2.', 'trunk.blocks.0.', 'trunk.blocks.1.')
    for name, p in backbone.named_parameters():
        assert p.requires_grad == (not name.startswith(frozen)), name
    moved = {name for name, value in backbone.state_dict().items() if not value.equal(before[name])}
    assert moved and not any(name.startswith(frozen) for name in moved)


def test_deeper_maps_see_the_dictionary_and_shallower_ones_do_not():
    plain, image = GELAN('t', (0, 1, 2)).eval(), torch.rand(1, 3, 64, 64)
    backbone = GELAN('t', (0, 1, 2), rd=dict(num_atoms=16)).eval()
    backbone.load_state_dict(plain.state_dict(), strict=False)
    with torch.no_grad():
        maps, plain_maps = backbone(image), plain(image)
        assert maps[0].equal(plain_maps[0])
        assert_close(maps[1], backbone.trunk.rd['1'](plain_maps[1]))
        assert not maps[2].equal(plain_maps[2])


@pytest.mark.parametrize('options, message', [
    (dict(arch='t', rd=dict(stage=4)), r'rd.stage should be in 0..3, got 4'),
    (dict(arch='x'), "arch should be one of t, s, m, c, e or a dict of widths and depths, got 'x'"),
    (dict(arch='t', out_indices=(4, )), r'out_indices.*\(4,\)'),
    (dict(arch='t', out_indices=()), 'out_indices'),
    (dict(arch='c', with_first_pass=True), "needs two passes.*arch='e'.*'c'"),
    (dict(arch='t', frozen_stages=4), 'frozen_stages.*4'),
])
def test_wrong_values_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        GELAN(**options)
