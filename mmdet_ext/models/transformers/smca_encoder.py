"""SMCA-DETR's encoder over one or several maps (https://arxiv.org/abs/2101.07448, section 3.4)."""
from collections.abc import Sequence

import torch
import torch.nn as nn
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from ..layers import TransformerEncoderLayer
from .structures import Maps


@MODELS.register_module()
class SMCATransformerEncoder(BaseModule):
    """DETR's encoder layers over each map apart (intra-scale) or over all of them together (multi-scale).

    With one map this is DETR's encoder.

    Args:
        num_layers: Number of layers.
        layer_cfg: As mmdet's DETR has it: `self_attn_cfg` and `ffn_cfg`.
        multi_scale: For each layer whether its tokens attend to all maps; none by default. The paper's pattern is
            (False, False, True, False, False).
        num_scales: Number of maps, where `share_attention` or `share_ffn` is False.
        share_attention: Whether the maps share a layer's attention. Otherwise no layer may be multi-scale.
        share_ffn: Whether they share its FFN.
        init_cfg: As in mmengine.

    Shape:
        `Maps` -> `Maps` of the same shapes
    """

    def __init__(self, num_layers: int, layer_cfg: dict, *, multi_scale: Sequence[bool] | None = None,
                 num_scales: int = 1, share_attention: bool = True, share_ffn: bool = True,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.multi_scale = (False, ) * num_layers if multi_scale is None else tuple(multi_scale)
        if len(self.multi_scale) != num_layers:
            raise ValueError(f'multi_scale should have a flag for each of {num_layers} layers, got {self.multi_scale}')
        if any(self.multi_scale) and not (share_attention and share_ffn):
            raise ValueError('a multi-scale layer needs share_attention and share_ffn, got '
                             f'multi_scale={self.multi_scale}')
        self.layers = nn.ModuleList(
            TransformerEncoderLayer(**layer_cfg, num_attentions=1 if share_attention else num_scales,
                                    num_ffns=1 if share_ffn else num_scales) for _ in range(num_layers))
        self.embed_dims = self.layers[0].embed_dims

    def init_weights(self) -> None:
        """Xavier for every matrix."""
        super().init_weights()
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, maps: Maps) -> Maps:
        tokens = [_tokens(feat) for feat in maps.feats]
        pos = [_tokens(position) for position in maps.pos]
        padding = [None if mask is None else mask.flatten(1) for mask in maps.padding]
        for layer, joint in zip(self.layers, self.multi_scale):
            if joint:
                lengths = [x.shape[1] for x in tokens]
                tokens = layer(torch.cat(tokens, 1), torch.cat(pos, 1), _join(padding, tokens)).split(lengths, dim=1)
            else:
                tokens = [layer(*level, scale) for scale, level in enumerate(zip(tokens, pos, padding))]
        feats = [x.transpose(1, 2).view_as(feat) for x, feat in zip(tokens, maps.feats)]
        return Maps(feats, maps.pos, maps.padding)


def _tokens(feat: Tensor) -> Tensor:
    return feat.flatten(2).transpose(1, 2)  # (B, C, h, w) -> (B, h * w, C)


def _join(padding: Sequence[Tensor | None], tokens: Sequence[Tensor]) -> Tensor | None:
    if all(mask is None for mask in padding):
        return None
    return torch.cat([x.new_zeros(x.shape[:2], dtype=torch.bool) if mask is None else mask
                      for mask, x in zip(padding, tokens)], 1)
