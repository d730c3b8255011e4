"""ELAN and GELAN, where the stages may be any block (YOLOv9, https://arxiv.org/abs/2402.13616, section 4.2, figure
4)."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from .conv import Conv, RepConv


class ELAN(nn.Module):
    """Split the channels in two halves, run one half through two stages, one after the other, and concatenate all four
    maps.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        split_channels: Channels before the split, even.
        hidden_channels: Channels of each stage.
        depth: Bottlenecks in the `RepCSP` of each stage (the paper's CSP depth); 0 makes a stage a single convolution,
            which is the original ELAN.

    Shape:
        (B, in_channels, H, W) -> (B, out_channels, H, W)
    """

    def __init__(self, in_channels: int, out_channels: int, split_channels: int, *, hidden_channels: int,
                 depth: int) -> None:
        super().__init__()
        if split_channels % 2:
            raise ValueError(f'ELAN splits split_channels in two halves, got {split_channels}')
        self.split = Conv(in_channels, split_channels, 1)
        self.stages = nn.ModuleList(
            _elan_stage(channels, hidden_channels, depth) for channels in (split_channels // 2, hidden_channels))
        self.merge = Conv(split_channels + 2 * hidden_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        maps = list(self.split(x).chunk(2, dim=1))
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return self.merge(torch.cat(maps, dim=1))


class RepCSP(nn.Module):
    """Cross-stage partial block: `depth` bottlenecks on one 1x1 projection, joined with a second projection.

    Shape:
        (B, in_channels, H, W) -> (B, out_channels, H, W)
    """

    def __init__(self, in_channels: int, out_channels: int, depth: int) -> None:
        super().__init__()
        hidden = out_channels // 2
        self.main = Conv(in_channels, hidden, 1)
        self.blocks = nn.Sequential(*(RepBottleneck(hidden) for _ in range(depth)))
        self.skip = Conv(in_channels, hidden, 1)
        self.merge = Conv(2 * hidden, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.merge(torch.cat([self.blocks(self.main(x)), self.skip(x)], dim=1))


class RepBottleneck(nn.Module):
    """Residual block of a `RepConv` and a 3x3 convolution.

    Shape:
        (B, channels, H, W) -> (B, channels, H, W)
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.rep = RepConv(channels, channels)
        self.conv = Conv(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.rep(x)).add_(x)  # no backward needs what SiLU returned


class SPPELAN(nn.Module):
    """Spatial pyramid pooling: three 5x5 max-pools one after the other, all four maps joined.

    Shape:
        (B, in_channels, H, W) -> (B, out_channels, H, W)
    """

    def __init__(self, in_channels: int, out_channels: int, hidden_channels: int) -> None:
        super().__init__()
        self.reduce = Conv(in_channels, hidden_channels, 1)
        self.merge = Conv(4 * hidden_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        maps = [self.reduce(x)]
        for _ in range(3):
            maps.append(F.max_pool2d(maps[-1], 5, stride=1, padding=2))
        return self.merge(torch.cat(maps, dim=1))


def _elan_stage(in_channels: int, out_channels: int, depth: int) -> nn.Module:
    if depth == 0:
        return Conv(in_channels, out_channels, 3)
    return nn.Sequential(RepCSP(in_channels, out_channels, depth), Conv(out_channels, out_channels, 3))
