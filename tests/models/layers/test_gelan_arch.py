"""Widths and depths of one's own: the published sizes follow the rules for what is not given, errors name the entry."""
import copy

import pytest
from mmengine.config import ConfigDict

from mmdet_ext.models.layers import AConv, ADown, gelan_arch
from mmdet_ext.models.layers.downsample import StridedConv
from mmdet_ext.models.layers.gelan_arch import SIZES, Stages

SMALL = dict(downs=(4, 8, 8, 12, 16), blocks=(dict(out=8), dict(out=8), dict(out=12), dict(out=16)))
# size: output channels at strides 8, 16, 32, of what halves the resolution, split channels of the last block
PUBLISHED_NECKS = dict(
    t=((64, 96, 128), (48, 64), 128), s=((128, 192, 256), (96, 128), 256), m=((240, 360, 480), (184, 240), 480),
    c=((256, 512, 512), (256, 512), 512), e=((256, 512, 512), (256, 512), 1024))


@pytest.mark.parametrize('size', SIZES)
def test_the_necks_of_all_published_sizes_follow_one_rule(size):
    neck = gelan_arch(size).neck
    assert (neck.out, neck.downs, neck.last_split) == PUBLISHED_NECKS[size]
    assert gelan_arch(dict(base=size)) == gelan_arch(size) == gelan_arch(SIZES[size])


def test_what_is_not_given_follows():
    arch = gelan_arch(SMALL)
    assert arch.downs == (4, 8, 8, 12, 16) and arch.passes == 1 and arch.down is AConv
    assert [block[:3] for block in arch.blocks] == [(8, 8, 4), (8, 8, 4), (12, 12, 6), (16, 16, 8)]
    assert {block.stages for block in arch.blocks} == {arch.neck.stages} == {Stages('csp', 2, 1)}
    assert (arch.neck.out, arch.neck.downs, arch.neck.last_split) == ((8, 12, 16), (8, 8), 16)


def test_single_entries_of_a_published_size_are_replaced():
    arch = gelan_arch(dict(base='s', block='dark', elan_depth=(2, 3, 3, 4), blocks=({}, {}, dict(hidden=50), {}),
                           down='Conv', neck=dict(csp_depth=1, downs=(40, 56))))
    plain = gelan_arch('s')
    assert arch.blocks[2][:3] == (192, 192, 50) and arch.blocks[1][:3] == plain.blocks[1][:3]
    assert [block.stages for block in arch.blocks] == [
        Stages('dark', 2, 0), Stages('dark', 3, 3), Stages('dark', 3, 3), Stages('dark', 4, 3)]
    assert arch.down is arch.neck.down is StridedConv
    assert arch.neck.stages == Stages('dark', 4, 1) and arch.neck.downs == (40, 56)
    assert arch.neck.out == plain.neck.out


def test_a_wider_block_takes_split_and_neck_with_it():
    arch = gelan_arch(dict(base='t', blocks=({}, dict(out=80), {}, {})))
    assert arch.blocks[1][:3] == (80, 80, 40) and arch.neck.out == (80, 96, 128)


def test_the_dict_is_left_as_it_was():
    arch = ConfigDict(base='e', blocks=[{}, {}, dict(out=96), {}], neck=dict(down='ADown'))
    before = copy.deepcopy(arch)
    assert gelan_arch(arch).down is ADown and gelan_arch(arch).passes == 2
    assert arch == before


@pytest.mark.parametrize('change, message', [
    (dict(blocks=SMALL['blocks'][:3]), r'arch\.blocks should have 4 items, got'),
    (dict(blocks=(8, {}, {}, {})), r'arch\.blocks\[0\] should be a dict with entries among out, split, hidden, got 8'),
    (dict(blocks=({}, *SMALL['blocks'][1:])), r'arch\.blocks\[0\]\.out is missing'),
    (dict(blocks=(*SMALL['blocks'][:3], dict(out=16, spilt=8))),
     r"arch\.blocks\[3\] has no entry 'spilt', but out, split, hidden"),
    (dict(blocks=(*SMALL['blocks'][:2], dict(out=12, split=15), dict(out=16))),
     r'arch\.blocks\[2\]\.split should be even.*got 15'),
    (dict(blocks=(dict(out=8, hidden=1), *SMALL['blocks'][1:])),
     r'arch\.blocks\[0\]\.hidden should be a whole number of at least 2, got 1'),
    (dict(blocks=(dict(out=8.0), *SMALL['blocks'][1:])), r'arch\.blocks\[0\]\.out should be a whole number.*got 8\.0'),
    (dict(downs=(4, 8, 8, 0, 16)), r'arch\.downs\[3\] should be a whole number of at least 1, got 0'),
    (dict(downs=(4, 8)), r'arch\.downs should have 5 items, got \(4, 8\)'),
    (dict(down='ADown', downs=(4, 8, 8, 13, 16)), r'arch\.downs\[3\] should be even, because ADown.*got 13'),
    (dict(down='ADown', blocks=(dict(out=8), dict(out=9, split=8), dict(out=12), dict(out=16))),
     r'arch\.blocks\[1\]\.out should be even, because ADown.*got 9'),
    (dict(down='MaxPool'), r"arch\.down should be one of AConv, ADown, Conv, got 'MaxPool'"),
    (dict(block='vgg'), r"arch\.block should be one of conv, res, dark, csp, got 'vgg'"),
    (dict(block=('csp', 'csp', 'vgg', 'csp')), r"arch\.block\[2\] should be one of .*got 'vgg'"),
    (dict(elan_depth=0), r'arch\.elan_depth should be a whole number of at least 1, got 0'),
    (dict(csp_depth=(1, 1, -1, 1)), r'arch\.csp_depth\[2\] should be a whole number of at least 0, got -1'),
    (dict(csp_depth=(1, 2)), r'arch\.csp_depth should have 4 items, got \(1, 2\)'),
    (dict(csp_depth=True), r'arch\.csp_depth should be a whole number of at least 0, got True'),
    (dict(passes=3), r'arch\.passes should be 1 or 2, got 3'),
    (dict(base='x'), r"arch\.base should be one of t, s, m, c, e, got 'x'"),
    (dict(depth=3), r"arch has no entry 'depth', but base, downs, blocks"),
    (dict(neck=dict(out=(8, 12))), r'arch\.neck\.out should have 3 items'),
    (dict(neck=dict(out=(8, 12, 17))), r'arch\.neck\.out\[2\] should be even.*got 17'),
    (dict(neck=dict(downs=(8, 0))), r'arch\.neck\.downs\[1\] should be .* at least 1, got 0'),
    (dict(neck=dict(down='ADown', downs=(8, 9))), r'arch\.neck\.downs\[1\] should be even, because ADown.*got 9'),
    (dict(neck=dict(last_split=7)), r'arch\.neck\.last_split should be even.*got 7'),
    (dict(neck=dict(elan_depth=(1, 2, 2, 2))), r'arch\.neck\.elan_depth should be a whole number of at least 1'),
    (dict(neck=dict(widths=3)), r"arch\.neck has no entry 'widths', but out, downs"),
    (dict(neck=8), r'arch\.neck should be a dict.*got 8'),
])
def test_a_wrong_entry_is_named_with_its_value(change, message):
    with pytest.raises(ValueError, match=message):
        gelan_arch(SMALL | change)


def test_an_arch_without_base_needs_widths():
    with pytest.raises(ValueError, match=r'arch\.blocks is missing: an arch without base needs downs and blocks'):
        gelan_arch(dict(downs=SMALL['downs']))
    with pytest.raises(ValueError, match=r'arch should be one of t, s, m, c, e or a dict of widths and depths, got 3'):
        gelan_arch(3)
