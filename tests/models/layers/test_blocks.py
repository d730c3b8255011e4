"""Blocks of GELAN: shapes over odd sizes, values by hand, gradients, errors, folding."""
import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from mmdet_ext.models.layers import (ELAN, SPPELAN, AConv, ADown, CBLinear, Conv, DarkBlock, GELANTrunk, RepBottleneck,
                                     RepConv, RepCSP, ResidualBlock, TopDown, cb_fuse, fuse, gelan_arch)
from torch.testing import assert_close

SAME_SIZE = dict(
    conv=lambda: Conv(8, 12, 3),
    grouped=lambda: Conv(8, 12, 3, groups=4),
    rep_conv=lambda: RepConv(8, 12),
    rep_csp=lambda: RepCSP(8, 12, depth=2),
    elan=lambda: ELAN(8, 12, 16, hidden_channels=8, csp_depth=0),
    rep_elan=lambda: ELAN(8, 12, 16, hidden_channels=8, csp_depth=1),
    conv_elan=lambda: ELAN(8, 12, 16, hidden_channels=6, csp_depth=2, elan_depth=1, block='conv'),
    res_elan=lambda: ELAN(8, 12, 16, hidden_channels=6, csp_depth=1, elan_depth=3, block='res'),
    dark_elan=lambda: ELAN(8, 12, 16, hidden_channels=8, csp_depth=2, block='dark'),
    spp_elan=lambda: SPPELAN(8, 12, 6))
HALVING = dict(aconv=lambda: AConv(8, 12), adown=lambda: ADown(8, 12), conv=lambda: Conv(8, 12, 3, stride=2))


def randomise_norms(module: nn.Module) -> nn.Module:
    """Norms that are not the identity, so that folding them wrongly shows."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.normal_(norm.bias)
            nn.init.normal_(norm.running_mean)
            nn.init.uniform_(norm.running_var, 0.5, 1.5)
    return module


@pytest.mark.parametrize('name', SAME_SIZE)
@pytest.mark.parametrize('size', [(7, 5), (8, 8), (1, 3)])
def test_blocks_keep_any_size(name, size):
    assert SAME_SIZE[name]().eval()(torch.randn(2, 8, *size)).shape == (2, 12, *size)


@pytest.mark.parametrize('name', HALVING)
def test_down_sampling_halves_even_sizes(name):
    assert HALVING[name]().eval()(torch.randn(2, 8, 12, 6)).shape == (2, 12, 6, 3)


@pytest.mark.parametrize('name', [*SAME_SIZE, 'adown', 'aconv'])
def test_every_parameter_learns(name):
    block = (SAME_SIZE | HALVING)[name]()
    block(torch.randn(2, 8, 8, 8)).square().sum().backward()
    assert [key for key, p in block.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize('name', [*SAME_SIZE, 'adown', 'aconv'])
def test_folding_changes_no_output(name):
    block = randomise_norms((SAME_SIZE | HALVING)[name]()).eval()
    x = torch.randn(2, 8, 8, 8)
    with torch.no_grad():
        before = block(x)
        holder = fuse(nn.Sequential(block))
        assert_close(holder(x), before, rtol=1e-4, atol=1e-5)
    assert not any(isinstance(m, (nn.BatchNorm2d, RepConv)) for m in holder.modules())


def test_folding_copes_with_a_convolution_that_two_norms_share():
    first, second = randomise_norms(Conv(4, 4, 3)), randomise_norms(Conv(4, 4, 3))
    second.conv = first.conv
    holder = nn.ModuleList([first, second]).eval()
    x = torch.randn(1, 4, 5, 5)
    with torch.no_grad():
        before = [part(x) for part in holder]
        after = [part(x) for part in fuse(holder)]
    assert_close(after, before, rtol=1e-4, atol=1e-5)


def test_rep_conv_is_the_activated_sum_of_its_branches():
    rep = randomise_norms(RepConv(4, 4)).eval()
    x = torch.randn(1, 4, 6, 6)
    assert_close(rep(x), F.silu(rep.conv3x3(x) + rep.conv1x1(x)))


def test_a_bottleneck_whose_convolution_is_zero_is_the_identity():
    block = RepBottleneck(4).eval()
    nn.init.zeros_(block.conv.bn.weight)
    x = torch.randn(1, 4, 6, 6)
    assert_close(block(x), x)


def test_a_dark_block_whose_convolution_is_zero_is_the_identity():
    block = DarkBlock(4).eval()
    nn.init.zeros_(block.conv.bn.weight)
    x = torch.randn(1, 4, 6, 6)
    assert_close(block(x), x)


def test_a_residual_block_is_activated_after_its_sum():
    block = ResidualBlock(4).eval()
    nn.init.zeros_(block.expand.bn.weight)
    x = torch.randn(1, 4, 6, 6)
    assert_close(block(x), F.silu(x))


def test_elan_joins_its_halves_and_what_each_stage_gives():
    block = randomise_norms(ELAN(8, 12, 16, hidden_channels=6, csp_depth=1, elan_depth=3, block='dark')).eval()
    x = torch.randn(1, 8, 6, 6)
    first, second = block.split(x).chunk(2, dim=1)
    outputs = [second]
    for stage in block.stages:
        outputs.append(stage(outputs[-1]))
    assert [out.shape[1] for out in outputs] == [8, 6, 6, 6]
    assert_close(block(x), block.merge(torch.cat([first, *outputs], dim=1)))


def test_cb_fuse_by_hand():
    x, small = torch.zeros(1, 1, 2, 4), torch.tensor([[[[1.0, 2.0]]]])
    assert cb_fuse(x, [small, small]).tolist() == [[[[2, 2, 4, 4], [2, 2, 4, 4]]]]
    assert cb_fuse(x, []) is x


def test_cb_linear_splits_its_channels_in_order():
    link = CBLinear(3, (2, 5))
    x = torch.randn(1, 3, 4, 4)
    first, second = link(x)
    assert_close(torch.cat([first, second], dim=1), link.conv(x))
    assert (first.shape[1], second.shape[1]) == (2, 5)


def test_top_down_keeps_the_size_of_each_level():
    feats = [torch.randn(1, c, s, s) for c, s in ((4, 12), (6, 6), (8, 3))]
    shapes = [tuple(x.shape[1:]) for x in TopDown((4, 6, 8), (6, 8, 10), csp_depth=1).eval()(feats)]
    assert shapes == [(6, 12, 12), (8, 6, 6), (10, 3, 3)]


def test_a_trunk_adds_its_laterals_after_each_step():
    trunk = GELANTrunk('t').eval()
    image = torch.randn(1, 3, 32, 32)
    plain = trunk(image)
    assert [tuple(x.shape[1:]) for x in plain] == [(16, 16, 16), (32, 8, 8), (64, 4, 4), (96, 2, 2), (128, 1, 1)]
    laterals = [(), (), (), (torch.ones(1, 96, 1, 1), ), ()]
    fused = trunk(image, laterals)
    assert_close(fused[2], plain[2])
    assert (fused[3] - plain[3]).abs().max() > 0.01


def test_widths_that_cannot_be_halved_are_refused():
    with pytest.raises(ValueError, match='ADown splits its channels in two, got 7 -> 8'):
        ADown(7, 8)
    with pytest.raises(ValueError, match='split_channels.*15'):
        ELAN(8, 8, 15, hidden_channels=8, csp_depth=0)


@pytest.mark.parametrize('options, message', [
    (dict(elan_depth=0), 'elan_depth of at least 1.*got 0 and 1'),
    (dict(csp_depth=-1), 'csp_depth of at least 0.*got 2 and -1'),
    (dict(block='vgg'), "block should be one of conv, res, dark, csp, got 'vgg'"),
])
def test_stages_that_do_not_exist_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ELAN(8, 8, 16, **dict(hidden_channels=8, csp_depth=1) | options)


def test_an_unknown_size_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="arch should be one of t, s, m, c, e or a dict of widths and depths, got 'x'"):
        gelan_arch('x')


def test_convolutions_keep_pytorchs_initialisation():
    torch.manual_seed(0)
    weight = Conv(8, 8, 3).conv.weight
    torch.manual_seed(0)
    assert weight.equal(nn.Conv2d(8, 8, 3, bias=False).weight)
