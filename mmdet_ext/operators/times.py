"""Time of each operator, forward and backward, on the CPU: the stand-in, and mmcv's compiled one where it is there."""
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor

from .stand_in import make_stand_in
from .switch import compiled_library, operators_of
from .table import TABLE

LEAST_SECONDS = 0.3  # for which a call is repeated, and at least three times


@dataclass(frozen=True)
class Times:
    """Milliseconds of a call, the fastest of several; `compiled` is None where mmcv has none for the CPU."""
    operator: str
    what: str
    stand_in: float
    compiled: float | None


def times() -> list[Times]:
    """Of the sizes that occur in a detector of images of 800 pixels, one image."""
    torch.manual_seed(0)
    library, stand_in = compiled_library(), make_stand_in()
    results = []
    for operator, what, call in _calls():
        with operators_of(stand_in):
            served = _milliseconds(call)
        compiled = None
        if library is not None and TABLE[operator].compiled_for_cpu:
            with operators_of(library):
                compiled = _milliseconds(call)
        results.append(Times(operator, what, served, compiled))
    return results


def _milliseconds(call: Callable[[], object]) -> float:
    call()
    fastest, begin = float('inf'), perf_counter()
    repeats = 0
    while repeats < 3 or perf_counter() - begin < LEAST_SECONDS:
        start = perf_counter()
        call()
        fastest = min(fastest, perf_counter() - start)
        repeats += 1
    return 1000 * fastest


def _with_backward(function: Callable[..., Tensor], *leaves: Tensor) -> Callable[[], None]:
    leaves = tuple(leaf.requires_grad_() for leaf in leaves)

    def call() -> None:
        result = function(*leaves)
        torch.autograd.grad(result, leaves, torch.ones_like(result))

    return call


def _boxes(number: int) -> Tensor:
    low = torch.rand(number, 2) * 700
    return torch.cat([low, low + 10 + torch.rand(number, 2) * 200], dim=1)


def _calls() -> list[tuple[str, str, Callable[[], object]]]:
    """Operator, what is computed, and a call of it."""
    from mmcv import ops
    from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction

    boxes, scores = _boxes(2000), torch.rand(2000)
    rois = torch.cat([torch.zeros(256, 1), _boxes(256)], dim=1)
    maps = torch.randn(1, 64, 100, 100)
    weight, offset, mask = torch.randn(64, 64, 3, 3), torch.randn(1, 18, 100, 100), torch.rand(1, 9, 100, 100)
    shapes = torch.tensor([[50, 50], [25, 25], [13, 13], [7, 7]])
    start = torch.cat([shapes.new_zeros(1), shapes.prod(1).cumsum(0)[:-1]])
    pixels = int(shapes.prod(1).sum())
    labels = torch.randint(81, (10000,))
    tenth = torch.rand(1, 100, 100) > 0.9
    masked = ops.MaskedConv2d(64, 64, 3, padding=1)
    return [
        ('nms', '2000 boxes', lambda: ops.nms(boxes, scores, 0.6)),
        ('softnms', '2000 boxes, linear', lambda: ops.soft_nms(boxes, scores, 0.5, method='linear', min_score=0.05)),
        ('nms_match', '2000 boxes', lambda: ops.nms_match(torch.cat([boxes, scores.unsqueeze(1)], dim=1), 0.6)),
        ('roi_align', '256 regions, 7 x 7, 64 channels', _with_backward(
            lambda maps: ops.roi_align(maps, rois, 7, 0.125, 0, 'avg', True), maps.clone())),
        ('roi_align', 'the same, pool_mode max', _with_backward(
            lambda maps: ops.roi_align(maps, rois, 7, 0.125, 2, 'max', True), maps.clone())),
        ('roi_pool', '256 regions, 7 x 7, 64 channels', _with_backward(
            lambda maps: ops.roi_pool(maps, rois, 7, 0.125), maps.clone())),
        ('deform_roi_pool', '256 regions, 7 x 7, 64 channels', _with_backward(
            lambda maps, offset: ops.deform_roi_pool(maps, rois, offset, 7, 0.125, 2), maps.clone(),
            torch.randn(256, 2, 7, 7))),
        ('deform_conv', '3 x 3, 64 channels, 100 x 100', _with_backward(
            lambda maps, offset, weight: ops.deform_conv2d(maps, offset, weight, 1, 1), maps.clone(), offset.clone(),
            weight.clone())),
        ('modulated_deform_conv', '3 x 3, 64 channels, 100 x 100', _with_backward(
            lambda maps, offset, mask, weight: ops.modulated_deform_conv2d(maps, offset, mask, weight, None, 1, 1),
            maps.clone(), offset.clone(), mask, weight.clone())),
        ('ms_deform_attn', f'{pixels} queries, 8 heads of 32, 4 levels, 4 points', _with_backward(
            lambda value, locations, weights: MultiScaleDeformableAttnFunction.apply(
                value, shapes, start, locations, weights, 64), torch.randn(1, pixels, 8, 32),
            torch.rand(1, pixels, 8, 4, 4, 2), torch.rand(1, pixels, 8, 4, 4))),
        ('sigmoid_focal_loss', '10000 x 80', _with_backward(
            lambda logits: ops.sigmoid_focal_loss(logits, labels), torch.randn(10000, 80))),
        ('masked_im2col', '3 x 3, 64 channels, a tenth of 100 x 100', lambda: masked(maps, tenth)),
        ('carafe', '64 channels, 50 x 50, kernel 5, factor 2', _with_backward(
            lambda maps, masks: ops.carafe(maps, masks, 5, 1, 2), torch.randn(1, 64, 50, 50),
            torch.rand(1, 25, 100, 100))),
        ('bbox_overlaps', '2000 x 256', lambda: ops.bbox_overlaps(boxes, rois[:, 1:])),
    ]
