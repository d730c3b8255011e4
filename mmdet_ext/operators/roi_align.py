"""RoIAlign: bilinear samples in each cell of a region, averaged or their largest.

Regions are (K, 5): index of the image, x1, y1, x2, y2 in pixels of the image.
"""
import torch
import torchvision  # noqa: F401  registers torch.ops.torchvision
from torch import Tensor

from .precision import computed

MAX, AVERAGE = range(2)


def roi_align_forward(input: Tensor, rois: Tensor, output: Tensor, argmax_y: Tensor, argmax_x: Tensor,
                      aligned_height: int, aligned_width: int, spatial_scale: float, sampling_ratio: int,
                      pool_mode: int, aligned: bool) -> None:
    """(B, C, H, W), (K, 5) -> `output` (K, C, aligned_height, aligned_width)."""
    images, rois = computed(input, rois)
    output.copy_(torch.ops.torchvision.roi_align(images, rois, spatial_scale, aligned_height, aligned_width,
                                                 sampling_ratio, aligned))


def roi_align_backward(grad_output: Tensor, rois: Tensor, argmax_y: Tensor, argmax_x: Tensor, grad_input: Tensor,
                       aligned_height: int, aligned_width: int, spatial_scale: float, sampling_ratio: int,
                       pool_mode: int, aligned: bool) -> None:
    """Fill `grad_input` (B, C, H, W)."""
    grad, rois = computed(grad_output, rois)
    grad_input.copy_(torch.ops.torchvision._roi_align_backward(
        grad, rois, spatial_scale, aligned_height, aligned_width, *grad_input.shape, sampling_ratio, aligned))
