"""The layers of DETR's encoder and decoder (https://arxiv.org/abs/2005.12872), with our attention."""
import torch.nn as nn
from mmcv.cnn import build_norm_layer
from mmcv.cnn.bricks.transformer import FFN
from torch import Tensor

from .attention import build_attention


class TransformerEncoderLayer(nn.Module):
    """Self-attention and FFN, each added and normed.

    Args:
        self_attn_cfg: `embed_dims`, `num_heads`, `dropout` of the weights and of the result.
        ffn_cfg: Arguments of mmcv's FFN.
        norm_cfg: Norm after each of the two.
        num_attentions: Number of attentions, of which `scale` selects one.
        num_ffns: How many FFNs.
    """

    def __init__(self, self_attn_cfg: dict, ffn_cfg: dict, *, norm_cfg: dict | None = None, num_attentions: int = 1,
                 num_ffns: int = 1) -> None:
        super().__init__()
        built = [build_attention(self_attn_cfg) for _ in range(num_attentions)]
        self.attentions = nn.ModuleList(attention for attention, _ in built)
        self.dropout = built[0][1]
        self.embed_dims = self.attentions[0].embed_dims
        self.ffns = nn.ModuleList(FFN(**ffn_cfg) for _ in range(num_ffns))
        self.norms = nn.ModuleList(build_norm_layer(norm_cfg or dict(type='LN'), self.embed_dims)[1] for _ in range(2))

    def forward(self, x: Tensor, pos: Tensor, padding: Tensor | None, scale: int = 0) -> Tensor:
        """(B, S, C), (B, S, C), (B, S) or None -> (B, S, C); `scale` is the index of the attention and FFN if the maps
        do not share them."""
        attention = self.attentions[min(scale, len(self.attentions) - 1)]
        ffn = self.ffns[min(scale, len(self.ffns) - 1)]
        with_pos = x + pos
        x = self.norms[0](x + self.dropout(attention(with_pos, with_pos, x, padding=padding)))
        return self.norms[1](ffn(x))


class TransformerDecoderLayer(nn.Module):
    """Self-attention, cross-attention and FFN, each added and normed.

    Args:
        self_attn_cfg: `embed_dims`, `num_heads`, `dropout` of the weights and of the result.
        cross_attn_cfg: The same.
        ffn_cfg: Arguments of mmcv's FFN.
        norm_cfg: Norm after each of the three.
    """

    def __init__(self, self_attn_cfg: dict, cross_attn_cfg: dict, ffn_cfg: dict, *,
                 norm_cfg: dict | None = None) -> None:
        super().__init__()
        self.self_attn, self.self_dropout = build_attention(self_attn_cfg)
        self.cross_attn, self.cross_dropout = build_attention(cross_attn_cfg)
        self.embed_dims = self.cross_attn.embed_dims
        self.ffn = FFN(**ffn_cfg)
        self.norms = nn.ModuleList(build_norm_layer(norm_cfg or dict(type='LN'), self.embed_dims)[1] for _ in range(3))

    def forward(self, query: Tensor, query_pos: Tensor, key: Tensor, value: Tensor,
                padding: Tensor | None = None) -> Tensor:
        """(B, Q, C) queries and positions, (B, S, C) keys and values, (B, S) padding -> (B, Q, C)."""
        with_pos = query + query_pos
        query = self.norms[0](query + self.self_dropout(self.self_attn(with_pos, with_pos, query)))
        attended = self.cross_attn(query + query_pos, key, value, padding=padding)
        query = self.norms[1](query + self.cross_dropout(attended))
        return self.norms[2](self.ffn(query))
