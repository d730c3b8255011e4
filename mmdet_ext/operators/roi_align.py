"""RoIAlign: bilinear samples in each cell of a region, averaged (by torchvision) or their largest.

Regions are (K, 5): index of the image, x1, y1, x2, y2 in pixels of the image.
"""
import torch
from torch import Tensor

from .kernels import KERNELS, computed
from .regions import Cells, corners, pixel_rows

MAX, AVERAGE = range(2)
NONE = -1  # mmcv's place of the largest sample of a cell without samples


def roi_align_forward(input: Tensor, rois: Tensor, output: Tensor, argmax_y: Tensor, argmax_x: Tensor,
                      aligned_height: int, aligned_width: int, spatial_scale: float, sampling_ratio: int,
                      pool_mode: int, aligned: bool) -> None:
    """(B, C, H, W), (K, 5) -> `output` (K, C, aligned_height, aligned_width), and where the largest samples are."""
    images, rois = computed(input, rois)
    if pool_mode == AVERAGE:
        output.copy_(KERNELS.roi_align(images, rois, spatial_scale, aligned_height, aligned_width, sampling_ratio,
                                       aligned))
        return
    cells = Cells.of(rois, (aligned_height, aligned_width), spatial_scale, sampling_ratio, aligned)
    pixels = pixel_rows(images)
    lowest = -10000. if images.device.type == 'cpu' else torch.finfo(torch.float32).min  # as mmcv's kernels
    largest = images.new_full((len(rois), aligned_height, aligned_width, images.shape[1]), lowest)
    argmax = images.new_full((2, *largest.shape), NONE)
    for regions, point in cells.points():
        around = corners(point, cells.image[regions], images.shape[2:])
        samples = sum(weight.unsqueeze(-1) * pixels[row] for weight, row in zip(around.weights, around.rows))
        better = samples > largest[regions]
        largest[regions] = torch.where(better, samples, largest[regions])
        argmax[:, regions] = torch.where(better, point.unsqueeze(-1), argmax[:, regions])
    for target, values in zip((output, argmax_y, argmax_x), (largest, *argmax)):
        target.copy_(values.permute(0, 3, 1, 2))


def roi_align_backward(grad_output: Tensor, rois: Tensor, argmax_y: Tensor, argmax_x: Tensor, grad_input: Tensor,
                       aligned_height: int, aligned_width: int, spatial_scale: float, sampling_ratio: int,
                       pool_mode: int, aligned: bool) -> None:
    """Fill `grad_input` (B, C, H, W)."""
    if pool_mode == AVERAGE:
        grad, rois = computed(grad_output, rois)
        grad_input.copy_(KERNELS._roi_align_backward(
            grad, rois, spatial_scale, aligned_height, aligned_width, *grad_input.shape, sampling_ratio, aligned))
        return
    grad, rows, columns = computed(grad_output, argmax_y, argmax_x)
    channels = torch.arange(grad.shape[1], device=grad.device).view(1, -1, 1, 1)
    maps = rois[:, 0].long().view(-1, 1, 1, 1) * grad.shape[1] + channels  # of B * C
    around = corners(torch.stack([rows, columns]), maps.expand_as(grad), grad_input.shape[2:])
    weights = torch.where(rows == NONE, 0, around.weights)
    total = grad.new_zeros(grad_input.numel())
    grad_input.copy_(total.index_add_(0, around.rows.flatten(), (weights * grad).flatten()).view_as(grad_input))
