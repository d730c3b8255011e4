"""Down-sampling of YOLOv9 (https://arxiv.org/abs/2402.13616): an average over neighbours, then a strided
convolution."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from .conv import Conv


class AConv(nn.Module):
    """Halve the resolution by a 2x2 average of stride 1 and a strided 3x3 convolution (sizes t, s, m).

    Shape:
        (B, in_channels, H, W) -> (B, out_channels, H // 2, W // 2)
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = Conv(in_channels, out_channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.avg_pool2d(x, 2, stride=1))


class ADown(nn.Module):
    """Halve the resolution: a strided convolution on one half of the channels, a max-pool on the other (sizes c, e).

    Args:
        in_channels: Channels of the input, even.
        out_channels: Channels of the output, even.

    Shape:
        (B, in_channels, H, W) -> (B, out_channels, H // 2, W // 2)
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        if in_channels % 2 or out_channels % 2:
            raise ValueError(f'ADown splits its channels in two, got {in_channels} -> {out_channels}')
        self.conv = Conv(in_channels // 2, out_channels // 2, 3, stride=2)
        self.pool_conv = Conv(in_channels // 2, out_channels // 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(x, 2, stride=1)  # (B, C, H - 1, W - 1)
        strided, pooled = x.chunk(2, dim=1)
        pooled = F.max_pool2d(pooled, 3, stride=2, padding=1)
        return torch.cat([self.conv(strided), self.pool_conv(pooled)], dim=1)


class StridedConv(Conv):
    """Halve the resolution by a strided 3x3 convolution alone.

    Shape:
        (B, in_channels, H, W) -> (B, out_channels, ceil(H / 2), ceil(W / 2))
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, stride=2)
