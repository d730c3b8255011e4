"""Deformable attention and convolution, CARAFE and masked convolution, against slow and plain forms."""
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from operator_cases import normal, uniform, with_gradients
from torch import Tensor

pytestmark = pytest.mark.usefixtures('stand_in')
SHAPES = torch.tensor([[6, 5], [3, 4], [1, 2]])


def attention_inputs() -> dict[str, Tensor]:
    """2 images, 44 pixels of 3 levels, 2 heads of 4 channels, 7 queries with 3 points, some of them outside."""
    return dict(value=normal(1, 2, 44, 2, 4), locations=uniform(2, 2, 7, 2, 3, 3, 2) * 1.6 - 0.3,
                weights=normal(3, 2, 7, 2, 9).softmax(-1).view(2, 7, 2, 3, 3))


def attention(value: Tensor, locations: Tensor, weights: Tensor) -> Tensor:
    from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction

    start = torch.cat([SHAPES.new_zeros(1), SHAPES.prod(1).cumsum(0)[:-1]]).to(value.device)
    return MultiScaleDeformableAttnFunction.apply(value, SHAPES.to(value.device), start, locations, weights, 64)


def test_deformable_attention_is_that_of_mmcv_in_plain_torch():
    from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

    inputs = attention_inputs()
    torch.testing.assert_close(
        with_gradients(attention, **inputs),
        with_gradients(lambda value, locations, weights: multi_scale_deformable_attn_pytorch(
            value, SHAPES, locations, weights), **inputs), rtol=1e-4, atol=1e-5)


def test_a_point_on_a_pixel_gives_that_pixel():
    value = torch.arange(44.).view(1, 44, 1, 1)
    location = torch.zeros(1, 1, 1, 3, 1, 2)
    location[0, 0, 0, 1, 0] = torch.tensor([2.5 / 4, 1.5 / 3])  # x, y of row 1, column 2 of the second level
    weights = torch.tensor([0., 1, 0]).view(1, 1, 1, 3, 1)
    torch.testing.assert_close(attention(value, location, weights), torch.tensor([[[30. + 4 + 2]]]))


def test_deformable_attention_of_no_queries_is_empty():
    inputs = attention_inputs()
    result = with_gradients(attention, value=inputs['value'], locations=inputs['locations'][:, :0],
                            weights=inputs['weights'][:, :0])
    assert result['result'].shape == (2, 0, 8) and not result['grad_value'].any()


def carafe_by_loops(features: Tensor, masks: Tensor, kernel: int, groups: int, factor: int) -> Tensor:
    batch, channels, height, width = features.shape
    padded = F.pad(features, [kernel // 2] * 4).view(batch, groups, channels // groups, height + kernel - 1, -1)
    masks = masks.view(batch, groups, 1, kernel, kernel, height * factor, width * factor)
    rows = []
    for y, x in product(range(height * factor), range(width * factor)):
        seen = padded[..., y // factor:y // factor + kernel, x // factor:x // factor + kernel]
        rows.append((seen * masks[..., y, x]).sum((-2, -1)).flatten(1))
    return torch.stack(rows, dim=-1).view(batch, channels, height * factor, -1)


@pytest.mark.parametrize('kernel, groups, factor', [(3, 1, 2), (5, 2, 2), (1, 4, 1), (3, 2, 3)])
def test_carafe_sums_what_each_pixel_sees_by_its_own_weights(kernel, groups, factor):
    from mmcv.ops import carafe, carafe_naive

    features, masks = normal(4, 2, 4, 3, 4), normal(5, 2, kernel ** 2 * groups, 3 * factor, 4 * factor)
    actual, expected = (
        with_gradients(lambda features, masks: function(features, masks, kernel, groups, factor), features=features,
                       masks=masks) for function in (carafe, carafe_by_loops))
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(carafe_naive(features, masks, kernel, groups, factor), expected['result'])


def test_the_module_of_carafe_learns():
    from mmcv.ops.carafe import CARAFEPack

    upsample = CARAFEPack(8, 2)
    features = normal(6, 1, 8, 5, 6).requires_grad_()
    upsample(features).square().sum().backward()
    assert features.grad.any()
    assert [name for name, p in upsample.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize('kernel, padding', [(3, 1), (1, 0), ((3, 5), (1, 2))])
def test_masked_convolution_computes_the_places_of_the_mask(kernel, padding):
    from mmcv.ops import MaskedConv2d

    conv = MaskedConv2d(3, 4, kernel, padding=padding)
    image = normal(7, 1, 3, 6, 7)
    complete = F.conv2d(image, conv.weight, conv.bias, padding=padding)
    mask = uniform(8, 1, 6, 7) > 0.6
    torch.testing.assert_close(conv(image, mask), complete * mask.unsqueeze(1))
    assert not conv(image, torch.zeros_like(mask)).any()


def test_a_deformable_convolution_without_offsets_is_a_convolution():
    from mmcv.ops import deform_conv2d, modulated_deform_conv2d

    inputs = dict(images=normal(9, 3, 4, 7, 8), weight=normal(10, 6, 2, 3, 3))
    offset, mask = torch.zeros(3, 18, 4, 4), torch.ones(3, 9, 4, 4)
    expected = with_gradients(lambda images, weight: F.conv2d(images, weight, None, 2, 1, 1, 2), **inputs)
    for function in (lambda images, weight: deform_conv2d(images, offset, weight, 2, 1, 1, 2, 1),
                     lambda images, weight: modulated_deform_conv2d(images, offset, mask, weight, None, 2, 1, 1, 2, 1)):
        torch.testing.assert_close(with_gradients(function, **inputs), expected, rtol=1e-4, atol=1e-5)


def test_offsets_that_do_not_cover_the_output_are_named():
    from mmcv.ops import modulated_deform_conv2d

    with pytest.raises(ValueError, match=r'must cover the output, \(6, 6\), got \(3, 3\)'):
        modulated_deform_conv2d(torch.zeros(1, 2, 6, 6), torch.zeros(1, 18, 3, 3), torch.zeros(1, 9, 3, 3),
                                torch.zeros(2, 2, 3, 3), None, 1, 1)


def test_the_gradient_of_a_weight_is_that_of_the_gradient_it_was_asked_for(stand_in):
    """It is computed with that of the input, and must not be given for another one."""
    images, offset, weight = normal(1, 2, 4, 6, 6), normal(2, 2, 18, 6, 6), normal(3, 4, 4, 3, 3)
    first, second = normal(4, 2, 4, 6, 6), normal(5, 2, 4, 6, 6)
    geometry = dict(kW=3, kH=3, dW=1, dH=1, padW=1, padH=1, dilationW=1, dilationH=1, group=1, deformable_group=1,
                    im2col_step=2)

    def of_weight(grad: Tensor, columns: Tensor) -> Tensor:
        result = torch.zeros_like(weight)
        stand_in.deform_conv_backward_parameters(images, offset, grad, result, columns, columns, scale=1, **geometry)
        return result

    expected = of_weight(second, torch.zeros(0))
    for grad in first, second:
        columns = torch.zeros(0)
        stand_in.deform_conv_backward_input(images, offset, grad, torch.zeros_like(images), torch.zeros_like(offset),
                                            weight, columns, **geometry)
        torch.testing.assert_close(of_weight(second, columns), expected)
