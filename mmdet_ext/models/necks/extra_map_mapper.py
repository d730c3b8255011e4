"""A neck that projects the backbone's maps and adds a coarser one, made in other ways than by mmdet's ChannelMapper."""
from collections.abc import Sequence

import torch.nn as nn
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor


@MODELS.register_module()
class ExtraMapMapper(BaseModule):
    """A 1x1 convolution of each map, and one more map of half the size of the last one: variants of SMCA-DETR's three
    scales.

    SMCA-DETR (https://arxiv.org/abs/2101.07448) does not say how it makes its coarsest map; its configs here have
    `ChannelMapper`, which convolves the last map of the backbone.

    Args:
        in_channels: Channels of each map.
        out_channels: Channels of each map that comes out.
        extra: 'max_pool' halves the last projected map by 2x2 max-pooling, 'conv' by a 3x3 convolution of it.
        init_cfg: As in mmengine.

    Shape:
        one (B, in_channels[i], H_i, W_i) per map -> the same with out_channels, and (B, out_channels, H / 2, W / 2) of
        the last, rounded up
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int, *, extra: str = 'max_pool',
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if extra not in ('max_pool', 'conv'):
            raise ValueError(f"extra should be 'max_pool' or 'conv', got {extra!r}")
        self.convs = nn.ModuleList(nn.Conv2d(channels, out_channels, 1) for channels in in_channels)
        self.extra = nn.Conv2d(out_channels, out_channels, 3, stride=2, padding=1) if extra == 'conv' \
            else nn.MaxPool2d(2, ceil_mode=True)

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor, ...]:
        maps = [conv(feat) for conv, feat in zip(self.convs, feats, strict=True)]
        return (*maps, self.extra(maps[-1]))
