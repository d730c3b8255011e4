"""RoIPool: the largest pixel of each cell of a region.

mmcv does not round the region to whole pixels as torchvision does, but only its cells, so that its results differ.
"""
import torch
from torch import Tensor

from .kernels import computed

MOST_VALUES = 1 << 24  # of one step: regions are taken in parts


def roi_pool_forward(input: Tensor, rois: Tensor, output: Tensor, argmax: Tensor, pooled_height: int,
                     pooled_width: int, spatial_scale: float) -> None:
    """(B, C, H, W), (K, 5) -> `output` (K, C, PH, PW), and in `argmax` the pixel of each, -1 for none."""
    images, rois = computed(input, rois)
    height, width = images.shape[2:]
    by_column = images.permute(0, 3, 1, 2).contiguous()  # (B, W, C, H)
    step = max(1, MOST_VALUES // (pooled_width * images.shape[1] * height))
    for first in range(0, len(rois), step):
        part = slice(first, first + step)
        low_x, high_x = _cells(rois[part, 1], rois[part, 3], spatial_scale, pooled_width, width)
        low_y, high_y = _cells(rois[part, 2], rois[part, 4], spatial_scale, pooled_height, height)
        image = rois[part, 0].long().unsqueeze(1)
        # first the largest of a row in the columns of a cell: (k, PW, C, H)
        values, columns = _largest(lambda x, image=image: by_column[image, x], low_x, high_x, width, (1, 1))
        # then that of these in the rows of a cell: (k, PW, C, PH)
        low_y, high_y = low_y.view(-1, 1, 1, pooled_height), high_y.view(-1, 1, 1, pooled_height)
        shape = *values.shape[:3], pooled_height
        values, rows = _largest(lambda y, values=values, shape=shape: values.gather(3, y.expand(shape)), low_y, high_y,
                                height, ())
        pixels = rows * width + columns.gather(3, rows.clamp(min=0))
        empty = rows < 0
        output[part] = values.masked_fill(empty, 0).permute(0, 2, 3, 1).to(output.dtype)
        argmax[part] = pixels.masked_fill(empty, -1).permute(0, 2, 3, 1).to(argmax.dtype)


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


def _largest(pick, low: Tensor, high: Tensor, limit: int, trailing: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The largest of `pick(index)` for low <= index < high, and the first such index; -1 where there is none."""
    values = places = None
    for step in range(max(1, int((high - low).amax())) if low.numel() else 1):
        index = low + step
        candidates = pick(index.clamp(max=limit - 1))
        index, end = index.reshape(*index.shape, *trailing), high.reshape(*high.shape, *trailing)
        if values is None:
            values = torch.full_like(candidates, torch.finfo(torch.float32).min)
            places = torch.full_like(candidates, -1, dtype=torch.long)
        better = (index < end) & (candidates > values)
        values, places = torch.where(better, candidates, values), torch.where(better, index, places)
    return values, places
