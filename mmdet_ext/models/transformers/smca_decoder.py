"""SMCA-DETR's decoder: cross-attention modulated by Gaussians (https://arxiv.org/abs/2101.07448, sections 3.2-3.4)."""
from collections.abc import Sequence

import torch
import torch.nn as nn
from mmcv.cnn import build_norm_layer
from mmcv.cnn.bricks.transformer import FFN
from mmdet.models.layers import MLP
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from ..layers import GaussianModulation, axis_terms, build_attention, modulated_attention
from .structures import DecoderOutput, Memory, check_number_of_maps


@MODELS.register_module()
class SMCATransformerDecoder(BaseModule):
    """DETR's decoder with spatially modulated co-attention.

    Before layer 0 one centre per query is predicted, which all layers and the box head use. Each layer predicts offsets
    from this centre, and scales. With several maps softmax runs within each map, and each query weights the results of
    the maps.

    Args:
        num_layers: Number of layers.
        layer_cfg: As mmdet's DETR has it: `self_attn_cfg`, `cross_attn_cfg` (`embed_dims`, `num_heads`, `dropout`) and
            `ffn_cfg`.
        strides: Pixels per cell of each map.
        dynamic_scale: 'type1' to 'type4', see `GaussianModulation`; the paper calls 'type3' independent.
        smooth: The paper's beta: at scale 1 a Gaussian has a variance of smooth / 2 square cells.
        distance_factors: Of the squared distances on each map; stride / 32 by default, as published.
        head_shared: Whether the heads share one Gaussian without offset.
        scale_selection: Whether the maps are weighted by alpha; otherwise their results are added.
        share_kv: Whether all maps share the projections of keys and values.
        post_norm_cfg: Norm of the output of each layer.
        return_intermediate: Whether to return the outputs of all layers; otherwise those of the last one.
        init_cfg: As in mmengine.
    """

    def __init__(self, num_layers: int, layer_cfg: dict, *, strides: Sequence[float] = (32, ),
                 dynamic_scale: str = 'type3', smooth: float = 8., distance_factors: Sequence[float] | None = None,
                 head_shared: bool = False, scale_selection: bool = True, share_kv: bool = True,
                 post_norm_cfg: dict | None = None, return_intermediate: bool = True,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if smooth <= 0:
            raise ValueError(f'smooth should be positive, got {smooth}')
        factors = [stride / 32 for stride in strides] if distance_factors is None else list(distance_factors)
        if len(factors) != len(strides):
            raise ValueError(f'distance_factors should be one per map, got {factors} for strides {list(strides)}')
        self.strides = tuple(strides)
        self.smooths = [smooth / factor for factor in factors]
        self.return_intermediate = return_intermediate
        modulation = dict(dynamic_scale=dynamic_scale, head_shared=head_shared, scale_selection=scale_selection)
        self.layers = nn.ModuleList(
            SMCATransformerDecoderLayer(**layer_cfg, num_scales=len(strides), share_kv=share_kv,
                                        modulation_cfg=modulation) for _ in range(num_layers))
        self.embed_dims = self.layers[0].embed_dims
        self.centre = MLP(self.embed_dims, self.embed_dims, 2, 3)
        self.post_norm = build_norm_layer(post_norm_cfg or dict(type='LN'), self.embed_dims)[1]

    def init_weights(self) -> None:
        """Xavier for every matrix, then scales of 1."""
        super().init_weights()
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)
        for layer in self.layers:
            layer.modulation.init_scale()

    def forward(self, query: Tensor, query_pos: Tensor, memory: Memory, image_sizes: Tensor) -> DecoderOutput:
        """
        Args:
            query: (B, Q, C).
            query_pos: (B, Q, C).
            memory: Encoded maps.
            image_sizes: (B, 2), width and height of each image in pixels, without padding.

        Raises:
            ValueError: If the number of maps is not that of `strides`.
        """
        check_number_of_maps(memory, len(self.strides))
        reference_logits = self.references(query + query_pos)
        cells = torch.stack([image_sizes / stride for stride in self.strides], dim=1).unsqueeze(1)  # (B, 1, L, 2)
        centres = reference_logits.float().sigmoid().unsqueeze(2) * cells  # (B, Q, L, 2)
        outputs = []
        for layer in self.layers:
            query = layer(query, query_pos, memory, centres, self.smooths)
            if self.return_intermediate:
                outputs.append(self.post_norm(query))
        return DecoderOutput(torch.stack(outputs or [self.post_norm(query)]), reference_logits)

    def references(self, query: Tensor) -> Tensor:
        """(..., C), queries with positions before the first layer -> (..., 2), logits of x and y of their centres."""
        return self.centre(self.layers[0].modulation.norm(query))


class SMCATransformerDecoderLayer(nn.Module):
    """Self-attention, modulated cross-attention and FFN, each added and normed.

    Args:
        self_attn_cfg: `embed_dims`, `num_heads`, `dropout` of the weights and of the result.
        cross_attn_cfg: The same; the heads have a Gaussian each.
        ffn_cfg: Arguments of mmcv's FFN.
        norm_cfg: Norm after each of the three.
        num_scales: Number of maps.
        share_kv: Whether the maps share the projections of keys and values.
        modulation_cfg: Options of `GaussianModulation`.
    """

    def __init__(self, self_attn_cfg: dict, cross_attn_cfg: dict, ffn_cfg: dict, *, norm_cfg: dict | None = None,
                 num_scales: int = 1, share_kv: bool = True, modulation_cfg: dict | None = None) -> None:
        super().__init__()
        self.self_attn, self.self_dropout = build_attention(self_attn_cfg)
        self.cross_attn, self.cross_dropout = build_attention(cross_attn_cfg)
        self.embed_dims = self.cross_attn.embed_dims
        self.other_kv = nn.ModuleList(
            nn.Linear(self.embed_dims, 2 * self.embed_dims) for _ in range(0 if share_kv else num_scales - 1))
        self.modulation = GaussianModulation(self.embed_dims, self.cross_attn.num_heads, num_scales,
                                             **(modulation_cfg or {}))
        self.ffn = FFN(**ffn_cfg)
        self.norms = nn.ModuleList(build_norm_layer(norm_cfg or dict(type='LN'), self.embed_dims)[1] for _ in range(3))

    def forward(self, query: Tensor, query_pos: Tensor, memory: Memory, centres: Tensor,
                smooths: Sequence[float]) -> Tensor:
        """
        Args:
            query: (B, Q, C), the output of the layer before.
            query_pos: (B, Q, C).
            memory: Encoded maps.
            centres: (B, Q, L, 2), x and y in cells of each map.
            smooths: `smooth` of `log_gaussian` for each map.

        Returns:
            (B, Q, C).
        """
        modulation = self.modulation(self.modulation.norm(query + query_pos))
        with_pos = query + query_pos
        query = self.norms[0](query + self.self_dropout(self.self_attn(with_pos, with_pos, query)))
        parts = self.cross_attn.parts()
        q = self.cross_attn.project(query + query_pos, 0, parts)
        attended, dropout = 0, self.cross_attn.dropout if self.training else 0.
        for level in range(len(memory.values)):
            k, v = self.keys_and_values(memory, level, parts)
            terms = axis_terms(centres[:, :, level, None] + modulation.offsets[:, :, level].float(),
                               modulation.scales[:, :, level], memory.shapes[level], smooths[level])
            part = modulated_attention(q, k, v, terms, memory.padding[level], dropout)
            attended = attended + part * modulation.alpha[:, :, level, None].to(part.dtype)
        query = self.norms[1](query + self.cross_dropout(self.cross_attn.out_proj(attended)))
        return self.norms[2](self.ffn(query))

    def keys_and_values(self, memory: Memory, level: int,
                        parts: Sequence[tuple[Tensor, Tensor]] | None = None) -> tuple[Tensor, Tensor]:
        """Projected keys and values of one map, (B, M, h * w, C / M) each; `parts` as for `Attention.project`."""
        if not (level and self.other_kv):
            parts = parts or self.cross_attn.parts()
            return (self.cross_attn.project(memory.keys[level], 1, parts),
                    self.cross_attn.project(memory.values[level], 2, parts))
        weights, biases = self.other_kv[level - 1].weight.chunk(2), self.other_kv[level - 1].bias.chunk(2)
        projections = zip((memory.keys[level], memory.values[level]), weights, biases)
        k, v = (self.cross_attn.split_heads(nn.functional.linear(*arguments)) for arguments in projections)
        return k, v
