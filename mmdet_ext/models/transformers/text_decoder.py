"""MDETR's decoder (https://arxiv.org/abs/2104.12763): DETR's, with cross-attention over image and text together."""
import torch
import torch.nn as nn
from mmcv.cnn import build_norm_layer
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from ..layers import TransformerDecoderLayer
from .structures import DecoderOutput, Memory, check_number_of_maps


@MODELS.register_module()
class MDETRTransformerDecoder(BaseModule):
    """Layers of self-attention, cross-attention and FFN; all share the norm of their outputs.

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

    def forward(self, query: Tensor, query_pos: Tensor, memory: Memory,
                image_sizes: Tensor | None = None) -> DecoderOutput:
        """
        Args:
            query: (B, Q, C).
            query_pos: (B, Q, C).
            memory: One encoded map with the tokens of the text.
            image_sizes: Not used; `SMCATransformerDecoder` needs it.

        Raises:
            ValueError: If there are several maps.
        """
        check_number_of_maps(memory, 1)
        outputs = []
        for layer in self.layers:
            query = layer(query, query_pos, memory.keys[0], memory.values[0], memory.padding[0])
            outputs.append(self.post_norm(query))
        return DecoderOutput(torch.stack(outputs), None)
