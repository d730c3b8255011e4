"""ResNet without shortcuts."""
import pytest
import torch
from mmdet.registry import MODELS
from torch.testing import assert_close


@pytest.fixture(scope='module')
def backbone() -> torch.nn.Module:
    network = MODELS.build(dict(type='PlainResNet', depth=50, base_channels=8, norm_eval=False))
    network.eval()  # which gives None in mmdet's ResNet
    return network


def test_a_block_gives_nothing_when_its_last_norm_is_zero(backbone):
    x = torch.rand(1, 32, 4, 4)
    block = backbone.layer1[1]
    with torch.no_grad():
        assert block(x).any()
        weight = block.bn3.weight.clone()
        block.bn3.weight.zero_()
        assert not block(x).any()
        block.bn3.weight.copy_(weight)


def test_it_is_resnet_without_the_parameters_of_the_shortcuts(backbone):
    residual = MODELS.build(dict(type='ResNet', depth=50, base_channels=8))
    names = {name for name in residual.state_dict() if '.downsample.' not in name}
    assert backbone.state_dict().keys() == names
    backbone.train()
    maps = backbone(torch.rand(2, 3, 64, 64))
    assert [tuple(x.shape[1:]) for x in maps] == [(32, 16, 16), (64, 8, 8), (128, 4, 4), (256, 2, 2)]
    sum(x.square().sum() for x in maps).backward()
    assert [name for name, p in backbone.named_parameters() if p.grad is None] == []
    backbone.eval()


def test_its_own_initialisation_has_no_block_of_zeros():
    backbone = MODELS.build(dict(type='PlainResNet', depth=50, base_channels=8))
    backbone.init_weights()
    assert_close(backbone.layer4[2].bn3.weight, torch.ones(256))


@pytest.mark.parametrize('options, message', [
    (dict(depth=18), 'depth should be one of 50, 101, 152, got 18'),
    (dict(depth=50, plugins=[]), r'PlainResNet takes no plugins, got \[\]'),
])
def test_wrong_values_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(type='PlainResNet', **options))
