"""SMCA's modulation (https://arxiv.org/abs/2101.07448, section 3.2) of the cross-attention in mmdet's decoders."""
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch.nn as nn
from mmcv.cnn.bricks.transformer import MultiheadAttention
from mmdet.models.layers import MLP
from mmdet.models.layers.transformer import ConditionalAttention, inverse_sigmoid
from mmdet.models.layers.transformer.conditional_detr_layers import ConditionalDetrTransformerDecoder
from mmdet.models.layers.transformer.dab_detr_layers import DABDetrTransformerDecoder
from torch import Tensor

from ..layers import Attention, AxisTerms, GaussianModulation, axis_terms, modulated_attention


def modulate_decoder(decoder: nn.Module, **options: Any) -> None:
    """Give each layer of a decoder of mmdet's DETR, Conditional DETR or DAB-DETR Gaussians for its cross-attention.

    Parameters that were there keep their names. New are `layers.N.modulation` and, in DETR's decoder, which has no
    reference points, `centre`, the network that predicts the Gaussians' centres.

    Args:
        decoder: Of mmdet, edited in place.
        options: Of `GaussianModulation`.

    Raises:
        ValueError: If its cross-attention is another one, such as deformable attention.
    """
    for layer in decoder.layers:
        if hasattr(layer, 'modulation'):
            raise ValueError(f'the cross-attention of {type(decoder).__name__} is modulated already')
        attention = getattr(layer, 'cross_attn', None)
        if isinstance(attention, ConditionalAttention):
            layer.cross_attn = ModulatedConditionalAttention(attention)
        elif isinstance(attention, MultiheadAttention):
            attention.attn = SequenceFirstAttention(attention.attn)
        else:
            raise ValueError(
                f'there is nothing to modulate in {type(decoder).__name__}: its cross-attention is '
                f'{type(attention).__name__}, and Gaussians modulate attention to all cells of one map, such as that '
                'of DETR, ConditionalDETR and DABDETR')
        layer.modulation = GaussianModulation(attention.embed_dims, attention.num_heads, **options)
    if not isinstance(decoder, (ConditionalDetrTransformerDecoder, DABDetrTransformerDecoder)):
        decoder.centre = MLP(decoder.embed_dims, decoder.embed_dims, 2, 3)


@contextmanager
def modulating(decoder: nn.Module, query_pos: Tensor, cells: Tensor, shape: tuple[int, int], smooth: float,
               refine: nn.Module | None) -> Iterator[None]:
    """Within it the decoder attends under the Gaussians that its layers predict from their inputs.

    Args:
        decoder: After `modulate_decoder`.
        query_pos: The decoder's argument: (B, Q, C), in DAB-DETR the logits of reference boxes (B, Q, 4 or 2).
        cells: (B, 2), width and height of each image in cells of the map.
        shape: h, w of the map.
        smooth: The paper's beta.
        refine: The box branch by which DAB-DETR moves its reference boxes after each layer.
    """
    reference = _reference_logits(decoder, query_pos)

    def move(module: nn.Module, arguments: tuple, output: Tensor) -> None:
        nonlocal reference  # as DAB-DETR's decoder does it, without a gradient
        reference = (output[..., :2] + inverse_sigmoid(reference.sigmoid())).detach()

    def insert(layer: nn.Module, arguments: tuple, keywords: dict) -> tuple[tuple, dict]:
        query = arguments[0] + keywords['query_pos']
        offsets, scales, _ = layer.modulation(layer.modulation.norm(query))
        centres = reference.float().sigmoid() * cells.unsqueeze(1)  # (B, Q, 2)
        terms = axis_terms(centres.unsqueeze(2) + offsets[:, :, 0].float(), scales[:, :, 0], shape, smooth)
        name = 'cross_attn_masks' if isinstance(layer.cross_attn, ConditionalAttention) else 'cross_attn_mask'
        return arguments, keywords | {name: terms}

    with ExitStack() as hooks:
        if isinstance(decoder, DABDetrTransformerDecoder):
            hooks.callback(refine.register_forward_hook(move).remove)
        for layer in decoder.layers:
            hooks.callback(layer.register_forward_pre_hook(insert, with_kwargs=True).remove)
        yield


def _reference_logits(decoder: nn.Module, query_pos: Tensor) -> Tensor:
    """(B, Q, 2), x and y of the points that the decoder's layers start from, before the sigmoid."""
    if isinstance(decoder, DABDetrTransformerDecoder):
        return query_pos[..., :2]
    if isinstance(decoder, ConditionalDetrTransformerDecoder):
        return decoder.ref_point_head(query_pos)
    return decoder.centre(decoder.layers[0].modulation.norm(query_pos))


class SequenceFirstAttention(Attention):
    """`nn.MultiheadAttention` with an additive mask by its axes, for mmcv's `MultiheadAttention`.

    Args:
        original: Its weights, number of heads and dropout are taken.
    """

    def __init__(self, original: nn.MultiheadAttention) -> None:
        super().__init__(original.embed_dim, original.num_heads, original.dropout)
        self.load_state_dict(original.state_dict())

    def forward(self, query: Tensor, key: Tensor, value: Tensor, attn_mask: AxisTerms,
                key_padding_mask: Tensor | None = None) -> tuple[Tensor, None]:
        """(Q, B, C), (S, B, C), (S, B, C), the mask's terms and (B, S), True where ignored -> (Q, B, C) and None."""
        parts = self.parts()
        q, k, v = (self.project(x.transpose(0, 1), which, parts) for which, x in enumerate((query, key, value)))
        attended = modulated_attention(q, k, v, attn_mask, key_padding_mask, self.dropout if self.training else 0.)
        return self.out_proj(attended).transpose(0, 1), None


class ModulatedConditionalAttention(ConditionalAttention):
    """mmdet's `ConditionalAttention` with an additive mask by its axes.

    Args:
        original: Its parameters and options are taken.
    """

    def __init__(self, original: ConditionalAttention) -> None:
        super().__init__(original.embed_dims, original.num_heads, original.attn_drop.p, original.proj_drop.p,
                         original.cross_attn, original.keep_query_pos)
        if original.qpos_proj is None:  # mmdet takes it from all layers but the first
            self.qpos_proj = None
        self.load_state_dict(original.state_dict())

    def forward_attn(self, query: Tensor, key: Tensor, value: Tensor, attn_mask: AxisTerms,
                     key_padding_mask: Tensor | None = None) -> tuple[Tensor, None]:
        """(B, Q, 2 C), (B, S, 2 C), (B, S, C), the mask's terms and (B, S), True where ignored -> (B, Q, C), None."""
        q, k, v = (x.unflatten(2, (self.num_heads, -1)).transpose(1, 2) for x in (query, key, value))
        dropout = self.attn_drop.p if self.training else 0.
        return self.out_proj(modulated_attention(q, k, v, attn_mask, key_padding_mask, dropout)), None
