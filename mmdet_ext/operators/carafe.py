"""CARAFE: upsampling in which each pixel is a weighted sum of those around its place, with weights of its own.

B batch, G groups of channels, K pixels of the kernel, S the factor: features (B, C, H, W), masks (B, G * K, S * H,
S * W), output (B, C, S * H, S * W). One pixel of the kernel is taken after another, so that no copy of the features is
K times as large.
"""
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from .kernels import computed


def carafe_forward(features: Tensor, masks: Tensor, rfeatures: Tensor, routput: Tensor, rmasks: Tensor,
                   output: Tensor, kernel_size: int, group_size: int, scale_factor: int) -> None:
    """Fill `output`; `rfeatures` keeps the features for the backward pass, the others are of no account."""
    rfeatures.copy_(features)
    carafe_naive_forward(features, masks, output, kernel_size, group_size, scale_factor)


def carafe_backward(top_grad: Tensor, rfeatures: Tensor, masks: Tensor, rtop_grad: Tensor, rbottom_grad_hs: Tensor,
                    rbottom_grad: Tensor, rmask_grad: Tensor, bottom_grad: Tensor, mask_grad: Tensor,
                    kernel_size: int, group_size: int, scale_factor: int) -> None:
    """Fill `bottom_grad`, that of the features, and `mask_grad`."""
    carafe_naive_backward(top_grad, rfeatures, masks, bottom_grad, mask_grad, kernel_size, group_size, scale_factor)


def carafe_naive_forward(features: Tensor, masks: Tensor, output: Tensor, kernel_size: int, group_size: int,
                         scale_factor: int) -> None:
    """Fill `output`."""
    images, weights = computed(features, masks)
    weights = _split(weights, group_size, scale_factor)  # (B, G, K, H, S, W, S)
    total = _split(images.new_zeros(output.shape), group_size, scale_factor)  # (B, G, C / G, H, S, W, S)
    padded = _padded(images, kernel_size, group_size)
    for pixel, shifted in _shifts(padded, kernel_size, features.shape[2:]):
        total.addcmul_(shifted[..., :, None, :, None], weights[:, :, pixel, None])
    output.copy_(total.reshape_as(output))


def carafe_naive_backward(top_grad: Tensor, features: Tensor, masks: Tensor, bottom_grad: Tensor, mask_grad: Tensor,
                          kernel_size: int, group_size: int, scale_factor: int) -> None:
    """Fill `bottom_grad`, that of the features, and `mask_grad`."""
    grad, images, weights = computed(top_grad, features, masks)
    grad, weights = (_split(values, group_size, scale_factor) for values in (grad, weights))
    grad_weights = torch.empty_like(weights)
    padded = _padded(images, kernel_size, group_size)
    grad_padded = torch.zeros_like(padded)
    grad_shifts = _shifts(grad_padded, kernel_size, features.shape[2:])
    for (pixel, shifted), (_, grad_shifted) in zip(_shifts(padded, kernel_size, features.shape[2:]), grad_shifts):
        grad_weights[:, :, pixel] = torch.einsum('bgchswt,bgchw->bghswt', grad, shifted)
        grad_shifted += torch.einsum('bgchswt,bghswt->bgchw', grad, weights[:, :, pixel])
    border = kernel_size // 2
    inner = grad_padded[..., border:border + features.shape[2], border:border + features.shape[3]]
    bottom_grad.copy_(inner.reshape_as(bottom_grad))
    mask_grad.copy_(grad_weights.reshape_as(mask_grad))


def _split(values: Tensor, groups: int, factor: int) -> Tensor:
    """(B, G * N, S * H, S * W) -> (B, G, N, H, S, W, S)."""
    batch, channels, height, width = values.shape
    return values.reshape(batch, groups, channels // groups, height // factor, factor, width // factor, factor)


def _padded(images: Tensor, kernel_size: int, groups: int) -> Tensor:
    """(B, C, H, W) -> (B, G, C / G, H and W with half a kernel on each side)."""
    return F.pad(images, [kernel_size // 2] * 4).unflatten(1, (groups, -1))


def _shifts(padded: Tensor, kernel_size: int, size: tuple[int, int]) -> Iterator[tuple[int, Tensor]]:
    """For each pixel of the kernel its number and, as a view, the (B, G, C / G, H, W) that it sees."""
    for pixel in range(kernel_size ** 2):
        row, column = divmod(pixel, kernel_size)
        yield pixel, padded[..., row:row + size[0], column:column + size[1]]
