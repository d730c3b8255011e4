"""ELAN and GELAN, where the stages may be any block (YOLOv9, https://arxiv.org/abs/2402.13616, section 4.2, figure
4)."""
from functools import partial

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from .conv import Activation, Conv, RepConv


class ELAN(nn.Module):
    """Split the channels in two halves, run one half through stages, one after the other, and concatenate the two
    halves and the output of each stage.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        split_channels: Channels before the split, even.
        hidden_channels: Channels of each stage.
        csp_depth: Blocks in each stage, before its 3x3 convolution; 0 makes a stage a single 3x3 convolution, which is
            the original ELAN.
        elan_depth: Number of stages, at least 1; 2 in all published sizes.
        block: What a stage consists of: 'csp', a `RepCSP` with `csp_depth` bottlenecks, in all published sizes;
            'conv', 3x3 convolutions; 'res', `ResidualBlock`; 'dark', `DarkBlock`.

    Shape:
        (B, in_channels, H, W) -> (B, out_channels, H, W)
    """

    def __init__(self, in_channels: int, out_channels: int, split_channels: int, *, hidden_channels: int,
                 csp_depth: int, elan_depth: int = 2, block: str = 'csp') -> None:
        super().__init__()
        if split_channels % 2:
            raise ValueError(f'ELAN splits split_channels in two halves, got {split_channels}')
        if elan_depth < 1 or csp_depth < 0:
            raise ValueError('ELAN needs elan_depth of at least 1 and csp_depth of at least 0, got '
                             f'{elan_depth} and {csp_depth}')
        if block not in BLOCKS:
            raise ValueError(f'block should be one of {", ".join(BLOCKS)}, got {block!r}')
        self.split = Conv(in_channels, split_channels, 1)
        self.stages = nn.ModuleList(
            _elan_stage(split_channels // 2 if k == 0 else hidden_channels, hidden_channels, csp_depth, block)
            for k in range(elan_depth))
        self.merge = Conv(split_channels + elan_depth * hidden_channels, out_channels, 1)

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


class ResidualBlock(nn.Module):
    """ResNet's bottleneck (https://arxiv.org/abs/1512.03385): 1x1 to half of the channels, 3x3, 1x1 back, and the
    activation after the sum.

    Shape:
        (B, channels, H, W) -> (B, channels, H, W)
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // 2
        self.reduce = Conv(channels, hidden, 1)
        self.conv = Conv(hidden, hidden, 3)
        self.expand = Conv(hidden, channels, 1, act=False)
        self.act = Activation()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.expand(self.conv(self.reduce(x))).add_(x))  # no backward needs what a batch norm returned


class DarkBlock(nn.Module):
    """Darknet's residual block (https://arxiv.org/abs/1804.02767): 1x1 to half of the channels, 3x3 back.

    Shape:
        (B, channels, H, W) -> (B, channels, H, W)
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = Conv(channels, channels // 2, 1)
        self.conv = Conv(channels // 2, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.reduce(x)).add_(x)  # no backward needs what SiLU returned


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


def _conv_chain(in_channels: int, out_channels: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(Conv(out_channels if k else in_channels, out_channels, 3) for k in range(depth)))


def _residual_chain(in_channels: int, out_channels: int, depth: int, block: type[nn.Module]) -> nn.Sequential:
    widen = [] if in_channels == out_channels else [Conv(in_channels, out_channels, 1)]
    return nn.Sequential(*widen, *(block(out_channels) for _ in range(depth)))


# (channels of the input, channels of the output, number of blocks) -> what stands before a stage's 3x3 convolution
BLOCKS = dict(
    conv=_conv_chain,
    res=partial(_residual_chain, block=ResidualBlock),
    dark=partial(_residual_chain, block=DarkBlock),
    csp=RepCSP)


def _elan_stage(in_channels: int, out_channels: int, depth: int, block: str) -> nn.Module:
    if depth == 0:
        return Conv(in_channels, out_channels, 3)
    return nn.Sequential(BLOCKS[block](in_channels, out_channels, depth), Conv(out_channels, out_channels, 3))
