"""The Gaussians of SMCA-DETR against the whole grid of distances, and what a query predicts for them."""
import pytest
import torch
from torch.testing import assert_close

from mmdet_ext.models.layers import DYNAMIC_SCALES, GaussianModulation, log_gaussian


def on_the_whole_grid(centre: torch.Tensor, scale: torch.Tensor, shape: tuple[int, int], smooth: float) -> torch.Tensor:
    """The formula cell by cell, with a tensor (B, M, Q, h, w, 2) of distances."""
    y, x = torch.meshgrid(torch.arange(shape[0]), torch.arange(shape[1]), indexing='ij')
    dx2, dy2 = (centre.transpose(1, 2)[:, :, :, None, None] - torch.stack([x, y], dim=-1)).square().unbind(-1)
    s = scale.transpose(1, 2)[:, :, :, None, None]
    kinds = scale.shape[-1]
    s_x = s[..., 0] if kinds else 1
    s_y = s[..., 1] if kinds > 1 else s_x
    distance = s_x * dx2 + s_y * dy2 + (s[..., 2] * dx2 * dy2 if kinds > 2 else 0)
    return (-distance / smooth).flatten(3)


@pytest.mark.parametrize('kinds', DYNAMIC_SCALES.values(), ids=DYNAMIC_SCALES)
@pytest.mark.parametrize('shape', [(1, 1), (3, 5), (7, 2)])
def test_equals_the_whole_grid(kinds, shape):
    centre, scale = torch.randn(2, 4, 3, 2) * 5, torch.rand(2, 4, 3, kinds)
    assert_close(log_gaussian(centre, scale, shape, 6.), on_the_whole_grid(centre, scale, shape, 6.))


@pytest.mark.parametrize('kinds', DYNAMIC_SCALES.values(), ids=DYNAMIC_SCALES)
def test_gradients_equal_those_of_the_whole_grid(kinds):
    centre = torch.randn(1, 2, 2, 2, dtype=torch.double, requires_grad=True)
    scale = torch.rand(1, 2, 2, kinds, dtype=torch.double, requires_grad=True)
    weights = torch.randn(1, 2, 2, 12, dtype=torch.double)
    gradients = []
    for form in (log_gaussian, on_the_whole_grid):
        (form(centre, scale, (3, 4), 8.) * weights).sum().backward()
        gradients.append((centre.grad, scale.grad))
        centre.grad = scale.grad = None
    assert_close(*gradients)


def test_by_hand():
    # s_x (2 - x)^2 + s_y (1 - y)^2 over 8, at x = 0 and y = 3
    logarithms = log_gaussian(torch.tensor([[[[2., 1]]]]), torch.tensor([[[[0.5, 3]]]]), (4, 3))
    assert logarithms.view(4, 3)[3, 0].item() == pytest.approx(-(0.5 * 4 + 3 * 4) / 8)
    assert logarithms.view(4, 3).argmax() == 1 * 3 + 2


def test_is_in_float32_for_half_precision():
    assert log_gaussian(torch.zeros(1, 1, 1, 2).half(), torch.ones(1, 1, 1, 2).half(), (2, 2)).dtype == torch.float32


@pytest.mark.parametrize('dynamic_scale, kinds', DYNAMIC_SCALES.items())
def test_scales_begin_at_1_and_offsets_do_not_depend_on_their_type(dynamic_scale, kinds):
    output = GaussianModulation(16, 4, 3, dynamic_scale=dynamic_scale)(torch.randn(2, 5, 16))
    assert output.scales.equal(torch.ones(2, 5, 3, 4, kinds)) and output.offsets.shape == (2, 5, 3, 4, 2)
    assert_close(output.alpha.sum(dim=2), torch.ones(2, 5))


def test_scales_are_squares():
    modulation = GaussianModulation(16, 4)
    torch.nn.init.constant_(modulation.scale.bias, -3)
    assert modulation(torch.randn(1, 2, 16)).scales.unique().item() == 9


def test_shared_heads_have_one_scale_and_no_offset():
    modulation = GaussianModulation(16, 4, head_shared=True)
    torch.nn.init.normal_(modulation.scale.weight)
    output = modulation(torch.randn(2, 5, 16))
    assert not output.offsets.any() and output.scales.shape == (2, 5, 1, 4, 2)
    assert output.scales[..., :1, :].expand_as(output.scales).equal(output.scales)


def test_an_unknown_type_of_scale_is_named():
    with pytest.raises(ValueError, match="type1, type2, type3, type4, got 'type5'"):
        GaussianModulation(16, 4, dynamic_scale='type5')
