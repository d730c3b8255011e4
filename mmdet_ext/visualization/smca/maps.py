"""Gaussians and attention of a query's heads on a map (SMCA-DETR, https://arxiv.org/abs/2101.07448, section 3.2)."""
import torch
from torch import Tensor

from mmdet_ext.models.layers import log_gaussian

from .capture import SMCACapture


def log_gaussians(capture: SMCACapture, layer: int, query: int, scale: int) -> Tensor:
    """(M, h, w): log G of a query's heads at the cells of a map, as it is added to the products of attention."""
    shape = capture.memory.shapes[scale]
    widths = capture.layers[layer].modulation.scales[:, query, scale][:, None]
    bias = log_gaussian(_centres(capture, layer, query, scale)[None, None], widths, shape,
                        capture.decoder.smooths[scale])
    return bias[0, :, 0].unflatten(1, shape)


def gaussians(capture: SMCACapture, layer: int, query: int, scale: int) -> Tensor:
    """(M, h, w) on the CPU: exp(log G), 1 at a head's centre."""
    return log_gaussians(capture, layer, query, scale).exp().cpu()


@torch.no_grad()
def attention_maps(capture: SMCACapture, layer: int, query: int, scale: int) -> Tensor:
    """(M, h, w) on the CPU: softmax(q k / sqrt(d) + log G) over the cells of a map, without dropout.

    The weights of each head sum to 1 within the map and are 0 in the padding. With several maps the decoder multiplies
    them by the query's alpha of the map.
    """
    module, memory = capture.decoder.layers[layer], capture.memory
    q = module.cross_attn.project(capture.layers[layer].query[:, query, None], 0)
    k, _ = module.keys_and_values(memory, scale)
    bias = log_gaussians(capture, layer, query, scale).flatten(1)[None, :, None]
    logits = (q @ k.mT).to(bias.dtype) / q.shape[-1]**0.5 + bias
    if memory.padding[scale] is not None:
        logits = logits.masked_fill(memory.padding[scale][:, None, None], -torch.inf)
    return logits.softmax(dim=-1)[0, :, 0].unflatten(1, memory.shapes[scale]).cpu()


def head_centres(capture: SMCACapture, layer: int, query: int, scale: int) -> Tensor:
    """(M, 2) on the CPU: the centres of the heads' Gaussians, x and y in pixels of the image or outside of it."""
    return capture.grids[scale].pixels_of(_centres(capture, layer, query, scale).cpu())


def reference_centre(capture: SMCACapture, query: int) -> Tensor:
    """(2, ): the centre that a query's heads share, x and y in pixels of the image."""
    return capture.grids[0].pixels_of(capture.centres[0, query, 0].cpu())


def _centres(capture: SMCACapture, layer: int, query: int, scale: int) -> Tensor:
    """(M, 2), x and y in cells."""
    return capture.centres[0, query, scale] + capture.layers[layer].modulation.offsets[0, query, scale].float()
