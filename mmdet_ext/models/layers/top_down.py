"""The top-down half of YOLOv9's neck; its auxiliary branch `PyramidBranch` has the same form."""
from collections.abc import Sequence

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from .elan import ELAN, SPPELAN


class TopDown(nn.Module):
    """SPPELAN on the coarsest map, then twice: enlarge, join with the next finer map, ELAN block.

    Args:
        in_channels: Channels of the three inputs, from fine to coarse.
        out_channels: Channels of the three outputs, from fine to coarse.
        stages: `csp_depth`, `elan_depth` and `block` of the ELAN blocks (see `ELAN`).

    Shape:
        three maps of strides 8, 16, 32 -> three maps of the same sizes
    """

    def __init__(self, in_channels: Sequence[int], out_channels: Sequence[int], **stages: int | str) -> None:
        super().__init__()
        fine, middle, coarse = out_channels
        self.spp = SPPELAN(in_channels[2], coarse, coarse // 2)
        self.middle = ELAN(coarse + in_channels[1], middle, middle, hidden_channels=middle // 2, **stages)
        self.fine = ELAN(middle + in_channels[0], fine, fine, hidden_channels=fine // 2, **stages)

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        fine, middle, coarse = feats
        coarse = self.spp(coarse)
        middle = self.middle(_enlarge_and_join(coarse, middle))
        return self.fine(_enlarge_and_join(middle, fine)), middle, coarse


def _enlarge_and_join(coarse: Tensor, fine: Tensor) -> Tensor:
    return torch.cat([F.interpolate(coarse, size=fine.shape[-2:], mode='nearest'), fine], dim=1)
