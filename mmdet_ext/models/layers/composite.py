"""Links between two passes of a backbone (CBNetV2, https://arxiv.org/abs/2107.00420; YOLOv9's CBLinear and CBFuse)."""
from collections.abc import Sequence

import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor


class CBLinear(nn.Module):
    """Project one map of the first pass into several, one for each step of the second pass to which it is added.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of each output.

    Shape:
        (B, in_channels, H, W) -> tuple of (B, out_channels[k], H, W)
    """

    def __init__(self, in_channels: int, out_channels: Sequence[int]) -> None:
        super().__init__()
        self.out_channels = tuple(out_channels)
        self.conv = nn.Conv2d(in_channels, sum(self.out_channels), 1)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return self.conv(x).split(self.out_channels, dim=1)


def cb_fuse(x: Tensor, laterals: Sequence[Tensor]) -> Tensor:
    """Add maps of any size to `x`, each brought to its size by nearest interpolation.

    Shape:
        (B, C, H, W), each lateral (B, C, h, w) -> (B, C, H, W)
    """
    for lateral in laterals:
        if lateral.shape[-2:] != x.shape[-2:]:
            lateral = F.interpolate(lateral, size=x.shape[-2:], mode='nearest')
        x = x + lateral
    return x
