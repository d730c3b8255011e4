"""DETR's decoder as MDETR has it (https://arxiv.org/abs/2104.12763): one cross-attention over image and text."""
import torch
import torch.nn as nn
from mmcv.cnn import build_norm_layer
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from ..layers import TransformerDecoderLayer


@MODELS.register_module()
class MDETRTransformerDecoder(BaseModule):
    """Layers of self-attention, cross-attention and FFN; each one's output is normed by a norm that all share.

    Args:
        num_layers: Number of layers.
        layer_cfg: As mmdet's DETR has it: `self_attn_cfg`, `cross_attn_cfg` and `ffn_cfg`.
        post_norm_cfg: The shared norm.
        init_cfg: As in mmengine.
    """

    def __init__(self, num_layers: int, layer_cfg: dict, *, post_norm_cfg: dict | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.layers = nn.ModuleList(TransformerDecoderLayer(**layer_cfg) for _ in range(num_layers))
        self.embed_dims = self.layers[0].embed_dims
        self.post_norm = build_norm_layer(post_norm_cfg or dict(type='LN'), self.embed_dims)[1]

    def init_weights(self) -> None:
        """Xavier for every matrix."""
        super().init_weights()
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, query: Tensor, query_pos: Tensor, memory: Tensor, memory_pos: Tensor,
                padding: Tensor | None = None) -> Tensor:
        """(B, Q, C) queries and positions, (B, S, C) memory and positions, (B, S) padding -> (layers, B, Q, C)."""
        keys, found = memory + memory_pos, []
        for layer in self.layers:
            query = layer(query, query_pos, keys, memory, padding)
            found.append(self.post_norm(query))
        return torch.stack(found)
