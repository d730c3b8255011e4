"""All operators in other precisions, layouts and devices, and their gradients against finite differences."""
import pytest
import torch
from operator_cases import normal, regions, uniform
from simulated_device import SimulatedDevice
from torch import Tensor
from torch.autograd import gradcheck

pytestmark = pytest.mark.usefixtures('stand_in')
ROIS = regions(1, 5, 2, 14)
SHAPES = torch.tensor([[5, 4], [2, 2]])
LABELS = torch.tensor([0, 3, 2, 1, 3])


def ops():
    import mmcv.ops
    return mmcv.ops


def attention(value: Tensor, locations: Tensor, weights: Tensor) -> Tensor:
    from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction

    shapes = SHAPES.to(value.device)
    return MultiScaleDeformableAttnFunction.apply(value, shapes, shapes[:, 0], locations, weights, 64)


# Functions of tensors, and their tensors; the first has the precision of the result.
OPERATORS = {
    'roi_align': (lambda images, rois: ops().roi_align(images, rois.to(images.dtype), 3, 0.5, 2),
                  lambda: [normal(2, 2, 3, 7, 8), ROIS]),
    'roi_align max': (lambda images, rois: ops().roi_align(images, rois.to(images.dtype), 3, 0.5, 2, 'max', False),
                      lambda: [normal(2, 2, 3, 7, 8), ROIS]),
    'roi_pool': (lambda images, rois: ops().roi_pool(images, rois.to(images.dtype), 2, 0.5),
                 lambda: [normal(2, 2, 3, 7, 8), ROIS]),
    'deform_roi_pool': (
        lambda images, rois, offset: ops().deform_roi_pool(images, rois.to(images.dtype), offset, 2, 0.5, 2, 0.1),
        lambda: [normal(2, 2, 3, 16, 16), torch.tensor([[0., 8, 6, 22, 24], [1, 4, 10, 24, 18]]),
                 normal(3, 2, 2, 2, 2)]),
    'sigmoid_focal_loss': (lambda logits: ops().sigmoid_focal_loss(logits, LABELS.to(logits.device)),
                           lambda: [normal(4, 5, 4)]),
    'softmax_focal_loss': (lambda logits: ops().softmax_focal_loss(logits, LABELS.to(logits.device)),
                           lambda: [normal(4, 5, 4)]),
    'deform_conv': (lambda images, offset, weight: ops().deform_conv2d(images, offset, weight, 1, 1),
                    lambda: [normal(5, 2, 2, 4, 5), normal(6, 2, 18, 4, 5), normal(7, 3, 2, 3, 3)]),
    'modulated_deform_conv': (
        lambda images, offset, mask, weight, bias: ops().modulated_deform_conv2d(images, offset, mask, weight, bias,
                                                                                 1, 1),
        lambda: [normal(5, 2, 2, 4, 5), normal(6, 2, 18, 4, 5), uniform(8, 2, 9, 4, 5), normal(7, 3, 2, 3, 3),
                 normal(9, 3)]),
    'ms_deform_attn': (attention, lambda: [normal(10, 2, 24, 2, 3), uniform(11, 2, 4, 2, 2, 2, 2),
                                           uniform(12, 2, 4, 2, 2, 2)]),
    'carafe': (lambda features, masks: ops().carafe(features, masks, 3, 2, 2),
               lambda: [normal(13, 2, 4, 3, 2), normal(14, 2, 18, 6, 4)]),
}
FIXED = {'roi_align', 'roi_align max', 'roi_pool', 'deform_roi_pool'}  # whose second tensor has no gradient


def leaves_of(name: str, tensors: list[Tensor]) -> list[Tensor]:
    return [tensor.requires_grad_(index != 1 or name not in FIXED) for index, tensor in enumerate(tensors)]


def gradients(name: str, tensors: list[Tensor]) -> list[Tensor]:
    """The result, and the gradients of the tensors that have one."""
    leaves = leaves_of(name, [tensor.clone() for tensor in tensors])
    result = OPERATORS[name][0](*leaves)
    result.float().square().sum().backward()
    return [result.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]


@pytest.mark.parametrize('name', OPERATORS)
def test_gradients_are_those_of_finite_differences(name):
    function, make = OPERATORS[name]
    assert gradcheck(function, leaves_of(name, [tensor.double() for tensor in make()]), atol=1e-4)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize('name', OPERATORS)
def test_reduced_precision_is_computed_in_full(name, dtype):
    """Values and gradients differ by the rounding of the inputs and of the result only."""
    rounded = [tensor.to(dtype) for tensor in OPERATORS[name][1]()]
    actual = gradients(name, rounded)
    assert {tensor.dtype for tensor in actual} == {dtype}
    expected = gradients(name, [tensor.float() for tensor in rounded])
    torch.testing.assert_close([tensor.float() for tensor in actual], expected, atol=0.1, rtol=0.05)


@pytest.mark.parametrize('name', OPERATORS)
def test_the_layout_of_the_inputs_changes_nothing(name):
    tensors = OPERATORS[name][1]()
    scattered = [torch.stack([tensor, tensor], dim=-1)[..., 0] for tensor in tensors]
    assert not any(tensor.is_contiguous() for tensor in scattered if tensor.numel() > 1)
    leaves = leaves_of(name, scattered)
    result = OPERATORS[name][0](*leaves)
    result.square().sum().backward()
    actual = [result.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]
    torch.testing.assert_close(actual, gradients(name, tensors))


@pytest.mark.parametrize('name', OPERATORS)
def test_autocast_leaves_the_operators_in_the_precision_of_their_inputs(name):
    tensors = OPERATORS[name][1]()
    expected = gradients(name, tensors)
    with torch.autocast('cpu', torch.bfloat16):
        actual = gradients(name, tensors)
    torch.testing.assert_close(actual, expected, rtol=0, atol=0)


@pytest.mark.parametrize('name', OPERATORS)
def test_everything_is_computed_where_the_inputs_are(name):
    expected = gradients(name, OPERATORS[name][1]())
    with SimulatedDevice():
        tensors = [tensor.to('lazy') for tensor in OPERATORS[name][1]()]
        leaves = [tensor.detach().requires_grad_(tensor.requires_grad) for tensor in leaves_of(name, tensors)]
        result = OPERATORS[name][0](*leaves)
        result.square().sum().backward()
        actual = [result.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]
        assert {tensor.device.type for tensor in actual} == {'lazy'}
        torch.testing.assert_close([tensor.cpu() for tensor in actual], expected)


@pytest.mark.gpu
@pytest.mark.parametrize('name', OPERATORS)
def test_a_gpu_gives_what_the_cpu_gives(name):
    actual = gradients(name, [tensor.cuda() for tensor in OPERATORS[name][1]()])
    torch.testing.assert_close([tensor.cpu() for tensor in actual], gradients(name, OPERATORS[name][1]()), rtol=1e-4,
                               atol=1e-4)


@pytest.mark.parametrize('name', sorted(name for name in OPERATORS if 'loss' not in name and 'conv' not in name))
def test_a_batch_without_images_gives_a_result_without_images(name):
    function, make = OPERATORS[name]
    assert len(function(*(tensor[:0] for tensor in make()))) == 0


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_suppression_takes_any_precision(dtype):
    boxes = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]], dtype=dtype)
    scores = torch.tensor([0.75, 0.5, 0.25], dtype=dtype)
    assert ops().nms(boxes, scores, 0.5)[1].tolist() == [0, 2]
    dets, rows = ops().soft_nms(boxes, scores, 0.5, method='naive', min_score=0.1)
    assert rows.tolist() == [0, 2] and dets.dtype == dtype
    assert [group.tolist() for group in ops().nms_match(torch.cat([boxes, scores.unsqueeze(1)], 1), 0.5)] == [[0, 1],
                                                                                                          [2]]


def test_suppression_of_no_boxes_keeps_none():
    boxes, scores = torch.zeros(0, 4), torch.zeros(0)
    assert ops().nms(boxes, scores, 0.5)[1].tolist() == []
    assert ops().soft_nms(boxes, scores)[1].tolist() == []


def test_nms_by_hand_with_and_without_the_border_pixels():
    """The overlap is 50 / 150 of the areas, and 66 / 176 where a box from 0 to 10 has 11 pixels."""
    boxes, scores = torch.tensor([[0., 0, 10, 10], [5, 0, 15, 10]]), torch.tensor([0.9, 0.8])
    assert ops().nms(boxes, scores, 0.35, offset=0)[1].tolist() == [0, 1]
    assert ops().nms(boxes, scores, 0.35, offset=1)[1].tolist() == [0]
