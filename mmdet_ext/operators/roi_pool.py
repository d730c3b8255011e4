"""RoIPool: the largest pixel of each cell of a region.

mmcv does not round the region to whole pixels as torchvision does, but only its cells, so that its results differ.
"""
from itertools import product

import torch
from torch import Tensor

from .kernels import computed
from .regions import pixel_rows


def roi_pool_forward(input: Tensor, rois: Tensor, output: Tensor, argmax: Tensor, pooled_height: int,
                     pooled_width: int, spatial_scale: float) -> None:
    """(B, C, H, W), (K, 5) -> `output` (K, C, PH, PW), and in `argmax` the pixel of each, -1 for none.

    Each step takes the pixel of a row and column within the cells, of those cells that have it.
    """
    images, rois = computed(input, rois)
    height, width = images.shape[2:]
    low_y, high_y = _cells(rois[:, 2], rois[:, 4], spatial_scale, pooled_height, height)
    low_x, high_x = _cells(rois[:, 1], rois[:, 3], spatial_scale, pooled_width, width)
    first = (low_y.unsqueeze(2) * width + low_x.unsqueeze(1)).flatten()  # (K * PH * PW,) in one map
    rows = (high_y - low_y).repeat_interleave(pooled_width)
    columns = (high_x - low_x).repeat(1, pooled_height).flatten()
    before = rois[:, 0].long().repeat_interleave(pooled_height * pooled_width) * height * width
    pixels = pixel_rows(images)
    largest = images.new_full((len(first), images.shape[1]), torch.finfo(torch.float32).min)
    pixel_of = torch.full_like(largest, -1, dtype=torch.int32)
    steps = (int(extent.amax()) if len(first) else 0 for extent in (rows, columns))
    for row, column in product(*map(range, steps)):
        cells = ((row < rows) & (column < columns)).nonzero()[:, 0]
        pixel = first[cells] + row * width + column
        candidates, previous = pixels[before[cells] + pixel], largest[cells]
        better = candidates > previous
        largest[cells] = torch.where(better, candidates, previous)
        pixel_of[cells] = torch.where(better, pixel.int().unsqueeze(1), pixel_of[cells])
    shape = len(rois), pooled_height, pooled_width, images.shape[1]
    output.copy_(largest.masked_fill(pixel_of < 0, 0).view(shape).permute(0, 3, 1, 2))
    argmax.copy_(pixel_of.view(shape).permute(0, 3, 1, 2))


def roi_pool_backward(grad_output: Tensor, rois: Tensor, argmax: Tensor, grad_input: Tensor, pooled_height: int,
                      pooled_width: int, spatial_scale: float) -> None:
    """Fill `grad_input` (B, C, H, W)."""
    (grad,) = computed(grad_output)
    channels = torch.arange(grad.shape[1], device=grad.device).view(1, -1, 1, 1)
    maps = rois[:, 0].long().view(-1, 1, 1, 1) * grad.shape[1] + channels  # of B * C
    pixels = maps * grad_input.shape[2:].numel() + argmax.clamp(min=0)
    total = grad.new_zeros(grad_input.numel())
    grad_input.copy_(total.index_add_(0, pixels.flatten(), torch.where(argmax < 0, 0, grad).flatten())
                     .view_as(grad_input))


def _cells(low: Tensor, high: Tensor, scale: float, number: int, limit: int) -> tuple[Tensor, Tensor]:
    """First pixel of each cell along one axis, and the first behind it: (k, number).

    A region that ends before it begins has none. (mmcv's gives 0 there, too, but a gradient to pixel 0.)
    """
    start = (low * scale).unsqueeze(1)
    extent = ((high + 1) * scale).unsqueeze(1) - start
    cell = torch.arange(number, device=low.device, dtype=low.dtype)
    first, behind = (edge.clamp(0, limit).long() for edge in (
        (cell * (extent / number) + start).floor(), ((cell + 1) * (extent / number) + start).ceil()))
    return first, torch.where(extent > 0, behind, first)
