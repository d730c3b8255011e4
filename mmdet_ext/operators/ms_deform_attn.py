"""Multi-scale deformable attention: a weighted sum of bilinear samples of all levels.

B batch, S pixels of all levels, M heads, D channels of a head, Q queries, L levels, P points. One level is computed
after another, and the samples are taken again in the backward pass, so that none are kept.
"""
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from .kernels import computed

BILINEAR, ZEROS = 0, 0  # codes of grid_sampler_2d


def ms_deform_attn_forward(value: Tensor, value_spatial_shapes: Tensor, value_level_start_index: Tensor,
                           sampling_locations: Tensor, attention_weights: Tensor, im2col_step: int) -> Tensor:
    """(B, S, M, D), (L, 2), (L,), (B, Q, M, L, P, 2), (B, Q, M, L, P) -> (B, Q, M * D)."""
    output = 0
    for _, _, pixels, grid, weights in _levels(value, value_spatial_shapes, sampling_locations, attention_weights):
        samples = F.grid_sample(pixels, grid, align_corners=False)  # (B * M, D, Q, P)
        output = output + (samples * weights.unsqueeze(1)).sum(dim=-1)
    return output.unflatten(0, value.shape[::2]).flatten(1, 2).transpose(1, 2).to(value.dtype).contiguous()


def ms_deform_attn_backward(value: Tensor, value_spatial_shapes: Tensor, value_level_start_index: Tensor,
                            sampling_locations: Tensor, attention_weights: Tensor, grad_output: Tensor,
                            grad_value: Tensor, grad_sampling_loc: Tensor, grad_attn_weight: Tensor,
                            im2col_step: int) -> None:
    """Fill the gradients, which have the shapes of the inputs, from that of the output."""
    batch, _, heads, channels = value.shape
    (grad_output,) = computed(grad_output)
    grad_output = grad_output.unflatten(2, (heads, channels)).permute(0, 2, 3, 1).flatten(0, 1)
    grad_output = grad_output.unsqueeze(-1)  # (B * M, D, Q, 1)
    for part, level, pixels, grid, weights in _levels(value, value_spatial_shapes, sampling_locations,
                                                      attention_weights):
        samples = F.grid_sample(pixels, grid, align_corners=False)
        grad_weights = (samples * grad_output).sum(dim=1)
        grad_attn_weight[:, :, :, level] = grad_weights.unflatten(0, (batch, heads)).transpose(1, 2)
        grad_pixels, grad_grid = torch.ops.aten.grid_sampler_2d_backward(
            grad_output * weights.unsqueeze(1), pixels, grid, BILINEAR, ZEROS, False, [True, True])
        grad_value[:, part] = grad_pixels.flatten(2).unflatten(0, (batch, heads)).permute(0, 3, 1, 2)
        grad_sampling_loc[:, :, :, level] = 2 * grad_grid.unflatten(0, (batch, heads)).transpose(1, 2)


def _levels(value: Tensor, shapes: Tensor, locations: Tensor, weights: Tensor
            ) -> Iterator[tuple[slice, int, Tensor, Tensor, Tensor]]:
    """For each level: its rows of `value`, its number, pixels (B * M, D, H, W), grid (B * M, Q, P, 2) in [-1, 1] and
    weights (B * M, Q, P)."""
    start = 0
    for level, (height, width) in enumerate(shapes.cpu().tolist()):
        part = slice(start, start := start + height * width)
        pixels, points, shares = computed(value[:, part], locations[:, :, :, level], weights[:, :, :, level])
        yield (part, level, pixels.permute(0, 2, 3, 1).reshape(-1, value.shape[-1], height, width),
               2 * points.transpose(1, 2).flatten(0, 1) - 1, shares.transpose(1, 2).flatten(0, 1))
