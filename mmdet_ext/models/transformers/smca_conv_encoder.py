"""The encoder of the released multi-scale SMCA-DETR: depthwise convolutions over each map and between neighbouring
maps.

The paper (https://arxiv.org/abs/2101.07448) has attention here; the later released code has convolutions.
"""
from collections.abc import Sequence
from itertools import pairwise

import torch.nn as nn
import torch.nn.functional as F
from mmcv.cnn.bricks.transformer import FFN
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from .structures import Maps


@MODELS.register_module()
class SMCAConvEncoder(BaseModule):
    """Depthwise convolutions over four maps of strides 8, 16, 32 and 64; at the end the first map is halved.

    As published, padded cells are not masked, and so they influence the others.

    Args:
        num_layers: Number of layers.
        embed_dims: C.
        kernel_size: Odd side of the depthwise kernels.
        feedforward_channels: Width of the FFN.
        dropout: Probability of dropout after the convolutions and inside the FFN.
        pointwise: Whether there are 1x1 convolutions, shared by all maps, before and after the depthwise ones.
        share_cross: Whether all pairs of neighbouring maps share the convolutions from one map to the next.
        init_cfg: As in mmengine.

    Shape:
        `Maps` of strides 8, 16, 32, 64 -> `Maps` of strides 16 (from 8), 16, 32, 64; both of the first two have the
        positions and padding of stride 16
    """

    def __init__(self, num_layers: int = 6, embed_dims: int = 256, *, kernel_size: int = 7,
                 feedforward_channels: int = 1024, dropout: float = 0.1, pointwise: bool = True,
                 share_cross: bool = True, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if kernel_size % 2 == 0:
            raise ValueError(f'kernel_size should be odd, got {kernel_size}')
        self.embed_dims = embed_dims
        self.layers = nn.ModuleList(
            SMCAConvEncoderLayer(embed_dims, kernel_size, feedforward_channels, dropout, pointwise=pointwise,
                                 share_cross=share_cross) for _ in range(num_layers))
        self.reduction = nn.Conv2d(embed_dims, embed_dims, 3, stride=2, padding=1)

    def init_weights(self) -> None:
        """Xavier for every matrix and kernel of the layers."""
        super().init_weights()
        for parameter in self.layers.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, maps: Maps) -> Maps:
        if len(maps.feats) != 4:
            raise ValueError(f'SMCAConvEncoder takes four maps, of strides 8, 16, 32 and 64, got {len(maps.feats)}')
        shapes = [tuple(feat.shape[2:]) for feat in maps.feats]
        for fine, coarse in pairwise(shapes):
            if coarse != ((fine[0] + 1) // 2, (fine[1] + 1) // 2):
                raise ValueError(f'each map should be half as large as the one before, rounded up, got {shapes}')
        feats = list(maps.feats)
        for layer in self.layers:
            feats = layer(feats, maps.pos)
        reduced = self.reduction(feats[0])
        return Maps([reduced, *feats[1:]], [maps.pos[1], *maps.pos[1:]], [maps.padding[1], *maps.padding[1:]])


class SMCAConvEncoderLayer(nn.Module):
    """To a depthwise convolution of each map, the two neighbouring maps are added, resized by convolutions; then an
    FFN."""

    def __init__(self, channels: int, kernel_size: int, feedforward_channels: int, dropout: float, *, pointwise: bool,
                 share_cross: bool) -> None:
        super().__init__()

        def depthwise(stride: int = 1) -> nn.Conv2d:
            return nn.Conv2d(channels, channels, kernel_size, stride, kernel_size // 2, groups=channels)

        pairs = 1 if share_cross else 3
        self.own = nn.ModuleList(depthwise() for _ in range(4))
        self.down = nn.ModuleList(depthwise(2) for _ in range(pairs))  # from a finer map, the finest pair first
        self.up = nn.ModuleList(depthwise() for _ in range(pairs))
        self.before = nn.Conv2d(channels, channels, 1) if pointwise else nn.Identity()
        self.after = nn.Conv2d(channels, channels, 1) if pointwise else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(2))
        self.ffn = FFN(channels, feedforward_channels, ffn_drop=dropout)

    def forward(self, feats: Sequence[Tensor], pos: Sequence[Tensor]) -> list[Tensor]:
        """One (B, C, h, w) per map, and the same of positions -> the same."""
        convolved = [conv(self.before(feat + position)) for conv, feat, position in zip(self.own, feats, pos)]
        mixed = list(convolved)
        for pair in range(3):
            down, up = self.down[min(pair, len(self.down) - 1)], self.up[min(pair, len(self.up) - 1)]
            fine, coarse = convolved[pair], convolved[pair + 1]
            mixed[pair] = mixed[pair] + F.interpolate(up(coarse), fine.shape[2:], mode='bilinear', align_corners=True)
            mixed[pair + 1] = mixed[pair + 1] + down(fine)
        return [self._finish(*level) for level in zip(feats, mixed)]

    def _finish(self, feat: Tensor, mixed: Tensor) -> Tensor:
        x = (feat + self.dropout(self.after(mixed))).permute(0, 2, 3, 1)  # norms and FFN run over the last axis
        x = self.norms[1](self.ffn(self.norms[0](x)))
        return x.permute(0, 3, 1, 2)
