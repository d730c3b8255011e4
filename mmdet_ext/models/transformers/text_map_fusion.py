"""Words in the neck: one feature map and texts encoded together (MDETR, https://arxiv.org/abs/2104.12763, 2.2)."""
import torch.nn as nn
from mmdet.models.layers import SinePositionalEncoding
from torch import Tensor

from .text_fusion_encoder import TextFusionEncoder


class TextMapFusion(nn.Module):
    """`TextFusionEncoder` over the cells of one map of the backbone, before the neck, and the texts of each image.

    Args:
        in_channels: Channels of the map, a multiple of 4.
        text_channels: Width of the texts' embeddings.
        level: Which of the backbone's maps, counted from 0; a coarse one, because attention is over all of its cells.
        num_layers, layer_cfg: Of the encoder, whose `embed_dims` must be `in_channels`.

    Raises:
        ValueError: If the widths do not fit.
    """

    def __init__(self, in_channels: int, text_channels: int, *, num_layers: int, layer_cfg: dict,
                 level: int = 2) -> None:
        super().__init__()
        self.encoder = TextFusionEncoder(num_layers, layer_cfg)
        if self.encoder.embed_dims != in_channels or in_channels % 4:
            raise ValueError(f'fusion.layer_cfg has embed_dims={self.encoder.embed_dims}, should be '
                             f'fusion.in_channels={in_channels}, a multiple of 4')
        self.level = level
        self.positions = SinePositionalEncoding(in_channels // 2, normalize=True)
        self.text_projection = nn.Linear(text_channels, in_channels)

    def init_weights(self) -> None:
        self.encoder.init_weights()

    def forward(self, feats: tuple[Tensor, ...], embeddings: Tensor, valid: Tensor | None) -> tuple[Tensor, ...]:
        """
        Args:
            feats: The backbone's maps, (B, C_i, H_i, W_i) each.
            embeddings: (B or 1, K, text_channels).
            valid: (B, K) bool, False where padded; None for nowhere.

        Returns:
            The maps, that of `level` with the texts seen.
        """
        if self.level >= len(feats):
            raise ValueError(f'fusion.level={self.level}, and the backbone gives {len(feats)} maps')
        feat = feats[self.level]
        batch, height, width = feat.shape[0], *feat.shape[2:]
        text = self.text_projection(embeddings).expand(batch, -1, -1)
        pos = self.positions(feat.new_zeros(batch, height, width, dtype=bool)).flatten(2).mT
        tokens, _, _ = self.encoder(feat.flatten(2).mT, pos.to(feat.dtype), None, text.to(feat.dtype),
                                    None if valid is None else ~valid)
        fused = tokens[:, :height * width].mT.unflatten(2, (height, width))
        return *feats[:self.level], fused.contiguous(), *feats[self.level + 1:]
