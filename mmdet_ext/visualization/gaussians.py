"""The Gaussians of a query, which modulate its attention (SMCA-DETR, https://arxiv.org/abs/2101.07448, section 3.2)."""
import torch
from torch import Tensor

from mmdet_ext.models.layers import log_gaussian

from .smca_capture import SMCACapture


def log_gaussians(capture: SMCACapture, layer: int, query: int, scale: int) -> Tensor:
    """(M, h, w): log G of a query's heads at the cells of a map, as it is added to the products of attention."""
    modulation = capture.layers[layer].modulation
    shape = capture.memory.shapes[scale]
    centres, widths = _centres(capture, layer, query, scale)[None, None], modulation.scales[:, query, scale][:, None]
    found = log_gaussian(centres, widths, shape, capture.smooths[scale])
    return found[0, :, 0].unflatten(1, shape)


def gaussians(capture: SMCACapture, layer: int, query: int, scale: int) -> Tensor:
    """(M, h, w) on the CPU: exp(log G), 1 at a head's centre."""
    return log_gaussians(capture, layer, query, scale).exp().cpu()


def head_centres(capture: SMCACapture, layer: int, query: int, scale: int) -> Tensor:
    """(M, 2) on the CPU: the middles of the heads' Gaussians, x and y in pixels of the picture or outside of it."""
    return capture.grids[scale].pixels_of(_centres(capture, layer, query, scale).cpu())


def reference_centre(capture: SMCACapture, query: int) -> Tensor:
    """(2, ): the centre that a query's heads share, x and y in pixels of the picture."""
    return capture.grids[0].pixels_of(capture.centres[0, query, 0].cpu())


def _centres(capture: SMCACapture, layer: int, query: int, scale: int) -> Tensor:
    """(M, 2), x and y in cells."""
    offsets = capture.layers[layer].modulation.offsets[0, query, scale]
    return capture.centres[0, query, scale] + offsets.to(torch.promote_types(offsets.dtype, torch.float32))
