"""Where the heads of a query look, Gaussians included (SMCA-DETR, https://arxiv.org/abs/2101.07448, section 3.2)."""
import torch
from torch import Tensor

from mmdet_ext.models.transformers import Memory
from mmdet_ext.models.transformers.smca_decoder import SMCATransformerDecoderLayer

from .gaussians import log_gaussians
from .smca_capture import SMCACapture


@torch.no_grad()
def attention_maps(capture: SMCACapture, layer: int, query: int, scale: int) -> Tensor:
    """(M, h, w) on the CPU: the weights of each head, which sum to 1 within the map; 0 in the padding.

    With several maps the decoder multiplies them by the query's alpha of the map.
    """
    found = capture.layers[layer]
    bias = log_gaussians(capture, layer, query, scale).flatten(1)[None, :, None]
    weights = modulated_attention(found.layer, found.query[:, query, None], capture.memory, scale, bias)
    return weights[0, :, 0].unflatten(1, capture.memory.shapes[scale]).cpu()


def modulated_attention(layer: SMCATransformerDecoderLayer, query: Tensor, memory: Memory, scale: int,
                        bias: Tensor) -> Tensor:
    """softmax(q k / sqrt(d) + log G) over the cells of one map.

    Args:
        layer: Projects queries and keys.
        query: (B, Q, C), with positions.
        memory: The maps.
        scale: Number of the map.
        bias: (B, M, Q, h * w), log G.

    Returns:
        (B, M, Q, h * w) in float32 at least, without dropout.
    """
    q, (k, _) = layer.cross_attn.project(query, 0), layer.keys_and_values(memory, scale)
    logits = (q @ k.transpose(2, 3)).to(bias.dtype) / q.shape[-1]**0.5 + bias
    if memory.padding[scale] is not None:
        logits = logits.masked_fill(memory.padding[scale][:, None, None], -torch.inf)
    return logits.softmax(dim=-1)
