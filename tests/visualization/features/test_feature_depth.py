"""Which layers a network has, in the order in which they run, and what their maps are."""
import pytest
import torch
import torch.nn as nn
from mmdet_ext.models.layers import Conv
from mmdet_ext.visualization.features import depth
from mmdet_ext.visualization.features.depth import FeatureMap, layers_of, maps_of, spread
from torch.testing import assert_close


class Steps(nn.Module):
    """A backbone whose blocks are registered in another order than that in which they run."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Sequential(Conv(4, 4, 3), nn.Sequential(Conv(4, 6, 3))), Conv(6, 6, 3)])
        self.downs = nn.ModuleList([nn.Conv2d(3, 4, 1, stride=2, bias=False), nn.AvgPool2d(2)])
        self.unused = nn.ModuleList([Conv(3, 3)])

    def forward(self, x):
        fine = self.blocks[0](self.downs[0](x))
        return fine, self.blocks[1](self.downs[1](fine))


class Whole(nn.Module):
    """A backbone without indexed parts."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 1)

    def forward(self, x):
        return [self.conv(x), x.mean(dim=(2, 3)), x[..., ::2, ::2]]


class Detector(nn.Module):

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.neck = nn.Identity()

    def extract_feat(self, inputs):
        maps = self.backbone(inputs)
        return self.neck(maps[0] if isinstance(self.neck, nn.Conv2d) else maps)


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(1, 3, 16, 8)


def test_steps_come_in_the_order_in_which_they_run(image):
    layers = layers_of(Detector(Steps()).eval(), image)
    assert [tuple(layer) for layer in layers] == [
        ('backbone.downs.0', 4, 2, 1, None), ('backbone.blocks.0.0', 4, 2, 2, None),
        ('backbone.blocks.0.1.0', 6, 2, 3, None), ('backbone.downs.1', 6, 4, 3, None),
        ('backbone.blocks.1', 6, 4, 4, None)]


def test_a_backbone_without_steps_shows_what_it_returns(image):
    layers = layers_of(Detector(Whole()), image)
    assert [tuple(layer)[:4] for layer in layers] == [('backbone[0]', 5, 1, 1), ('backbone[2]', 3, 2, 1)]


def test_values_are_the_mean_magnitude_of_the_channels(image):
    model = Detector(Steps()).eval()
    first, *_, last = maps_of(model, image, 'mean', number=2)
    assert (first.layer, last.layer) == ('backbone.downs.0', 'backbone.blocks.1')
    with torch.no_grad():
        assert_close(first.values, model.backbone.downs[0](image)[0].abs().mean(dim=0))
        assert_close(last.values, model.backbone(image)[1][0].abs().mean(dim=0))


def test_layers_are_chosen_by_patterns(image):
    layers = maps_of(Detector(Steps()).eval(), image, 'norm', patterns=['neck', '*.blocks.?'])
    assert [layer.layer for layer in layers] == ['backbone.blocks.0', 'backbone.blocks.1', 'neck[0]', 'neck[1]']
    assert layers[-1].values.shape == (4, 2)


@pytest.mark.parametrize('pattern', ['head', '*unused*'])
def test_a_pattern_without_a_map_is_an_error(image, pattern):
    with pytest.raises(ValueError, match=r'no layer .* gives a map .*some that do are backbone\.downs\.0, ') as error:
        maps_of(Detector(Steps()).eval(), image, 'mean', patterns=['neck', pattern])
    assert pattern in str(error.value)


def test_a_pattern_of_too_many_layers_is_an_error(image, monkeypatch):
    monkeypatch.setattr(depth, 'MOST', 3)
    with pytest.raises(ValueError, match=r'4 layers have names like neck or \*\.blocks\.\?; a figure has 3 at most'):
        maps_of(Detector(Steps()).eval(), image, 'norm', patterns=['neck', '*.blocks.?'])


def test_the_neck_runs_only_for_its_own_layers(image):
    model = Detector(Steps()).eval()
    model.neck = nn.Conv2d(7, 7, 1)
    assert len(maps_of(model, image, 'mean')) == 5
    with pytest.raises(ValueError, match='an image of 8 x 16 pixels does not go through'):
        maps_of(model, image, 'mean', patterns=['neck'])


def test_no_hook_is_left_behind(image):
    model = Detector(Steps()).eval()
    maps_of(model, image, 'mean')
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize('counts, number, chosen', [
    ([1, 2, 3, 10, 11, 20], 3, [1, 11, 20]),
    ([1, 2, 3, 4, 30], 4, [1, 3, 4, 30]),
    ([1, 5], 6, [1, 5]),
    ([1, 1, 4, 4], 2, [1, 4]),
])
def test_layers_are_spread_over_the_depth(counts, number, chosen):
    layers = [FeatureMap(str(i), 1, 1, count) for i, count in enumerate(counts)]
    some = spread(layers, number)
    assert [layer.depth for layer in some] == chosen
    assert some[0] is layers[0] and some[-1] is layers[-1]
