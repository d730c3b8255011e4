"""MDETR's encoder over image and text together (https://arxiv.org/abs/2104.12763, section 2.2)."""
import torch
import torch.nn as nn
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from ..layers import TransformerEncoderLayer


@MODELS.register_module()
class TextFusionEncoder(BaseModule):
    """DETR's encoder layers over the tokens of the image followed by those of the text.

    Args:
        num_layers: Number of layers.
        layer_cfg: As mmdet's DETR has it: `self_attn_cfg` and `ffn_cfg`.
        init_cfg: As in mmengine.
    """

    def __init__(self, num_layers: int, layer_cfg: dict, *, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.layers = nn.ModuleList(TransformerEncoderLayer(**layer_cfg) for _ in range(num_layers))
        self.embed_dims = self.layers[0].embed_dims

    def init_weights(self) -> None:
        """Xavier for every matrix."""
        super().init_weights()
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, query: Tensor, query_pos: Tensor, key_padding_mask: Tensor | None = None,
                text: Tensor | None = None, text_padding: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """
        Args:
            query: (B, S, C), the image's tokens.
            query_pos: (B, S, C), their positions; those of the text are zeros.
            key_padding_mask: (B, S), True where ignored; None for nowhere.
            text: (B, L, C); None for no text.
            text_padding: (B, L), True where ignored; None for nowhere.

        Returns:
            (B, S + L, C) encoded tokens, (B, S + L, C) positions, (B, S + L) padding.
        """
        tokens, pos = query, query_pos
        padding = _mask(query, key_padding_mask)
        if text is not None:
            tokens = torch.cat([query, text], dim=1)
            pos = torch.cat([query_pos, torch.zeros_like(text)], dim=1)
            padding = torch.cat([padding, _mask(text, text_padding)], dim=1)
        for layer in self.layers:
            tokens = layer(tokens, pos, padding)
        return tokens, pos, padding


def _mask(tokens: Tensor, mask: Tensor | None) -> Tensor:
    return torch.zeros(tokens.shape[:2], dtype=torch.bool, device=tokens.device) if mask is None else mask
