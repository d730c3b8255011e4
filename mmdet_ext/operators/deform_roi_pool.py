"""Deformable RoI pooling: RoIAlign whose cells are moved by offsets, in parts of the region's size."""
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from .kernels import computed
from .regions import Cells, Corners, corners, from_pixel_rows, pixel_rows


def deform_roi_pool_forward(input: Tensor, rois: Tensor, offset: Tensor, output: Tensor, pooled_height: int,
                            pooled_width: int, spatial_scale: float, sampling_ratio: int, gamma: float) -> None:
    """(B, C, H, W), (K, 5), (K, 2, PH, PW) in (x, y) or empty -> `output` (K, C, PH, PW)."""
    images, rois, offset = computed(input, rois, offset)
    cells = _moved(Cells.of(rois, (pooled_height, pooled_width), spatial_scale, sampling_ratio, True), offset, gamma)
    pixels = pixel_rows(images)
    total = images.new_zeros(len(rois), pooled_height, pooled_width, images.shape[1])
    for regions, around in _samples(cells, images.shape):
        total[regions] += sum(weight.unsqueeze(-1) * pixels[row] for weight, row in zip(around.weights, around.rows))
    output.copy_(total.permute(0, 3, 1, 2) / cells.count().clamp(min=1))


def deform_roi_pool_backward(grad_output: Tensor, input: Tensor, rois: Tensor, offset: Tensor, grad_input: Tensor,
                             grad_offset: Tensor, pooled_height: int, pooled_width: int, spatial_scale: float,
                             sampling_ratio: int, gamma: float) -> None:
    """Fill `grad_input` (B, C, H, W) and `grad_offset` (K, 2, PH, PW)."""
    images, rois, offset, grad_output = computed(input, rois, offset, grad_output)
    cells = _moved(Cells.of(rois, (pooled_height, pooled_width), spatial_scale, sampling_ratio, True), offset, gamma)
    pixels = pixel_rows(images)
    grad_pixels = torch.zeros_like(pixels)
    grad_start = torch.zeros_like(cells.start)
    grad = (grad_output / cells.count().clamp(min=1)).permute(0, 2, 3, 1)  # (K, PH, PW, C) of one sample
    for regions, around in _samples(cells, images.shape):
        for weight, row in zip(around.weights, around.rows):
            grad_pixels.index_add_(0, row.flatten(), (weight.unsqueeze(-1) * grad[regions]).flatten(0, 2))
        if offset.numel():
            grad_start[:, regions] += _grad_of_point(around, pixels, grad[regions]) * around.inside
    grad_input.copy_(from_pixel_rows(grad_pixels, images.shape))
    if offset.numel():
        grad_offset.copy_((gamma * cells.extent * grad_start).flip(0).transpose(0, 1))


def _moved(cells: Cells, offset: Tensor, gamma: float) -> Cells:
    if not offset.numel():
        return cells
    return replace(cells, start=cells.start + gamma * cells.extent * offset.transpose(0, 1).flip(0))


def _samples(cells: Cells, shape: tuple[int, ...]) -> Iterator[tuple[Tensor | slice, Corners]]:
    for regions, point in cells.points():
        yield regions, corners(point, cells.image[regions], shape[2:])


def _grad_of_point(around: Corners, pixels: Tensor, grad: Tensor) -> Tensor:
    """Gradient of the points in (y, x), (2, K, PH, PW), from that of their samples (K, PH, PW, C).

    As in mmcv, the weights are those of the point before it was moved to the border of the image.
    """
    low_low, low_high, high_low, high_high = ((pixels[row] * grad).sum(dim=-1) for row in around.rows)
    to_low, to_high = around.to_low, around.to_high
    return torch.stack([(high_high - low_high) * to_low[1] + (high_low - low_low) * to_high[1],
                        (high_high - high_low) * to_low[0] + (low_high - low_low) * to_high[0]])
