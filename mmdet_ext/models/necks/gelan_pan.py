"""The path-aggregation neck of YOLOv9 (https://arxiv.org/abs/2402.13616), made of GELAN's blocks."""
from collections.abc import Sequence

import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from ..layers import ELAN, Arch, TopDown, gelan_arch


@MODELS.register_module()
class GELANPAN(BaseModule):
    """SPPELAN and a top-down path, then a bottom-up path.

    Args:
        arch: Size: t, s, m, c, e, or a dict, that of GELAN (see `gelan_arch`).
        in_channels: Channels of the three inputs (strides 8, 16, 32); by default those of GELAN of the same arch.
        init_cfg: As in mmengine.

    Shape:
        three maps of strides 8, 16, 32, of which any that follow are ignored (the first pass of size e)
        -> three maps (B, out_channels[i], H_i, W_i)
    """

    def __init__(self, arch: Arch = 'c', in_channels: Sequence[int] | None = None, *,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        sizes = gelan_arch(arch)
        neck, stages = sizes.neck, sizes.neck.stages._asdict()
        in_channels = self.in_channels = tuple(in_channels or (block.out for block in sizes.blocks[1:]))
        if len(in_channels) != 3:
            raise ValueError(f'in_channels should give three levels, got {in_channels}')
        fine, middle, coarse = self.out_channels = neck.out
        self.top_down = TopDown(in_channels, self.out_channels, **stages)
        self.down_fine = neck.down(fine, neck.downs[0])
        self.middle = ELAN(neck.downs[0] + middle, middle, middle, hidden_channels=middle // 2, **stages)
        self.down_middle = neck.down(middle, neck.downs[1])
        self.coarse = ELAN(neck.downs[1] + coarse, coarse, neck.last_split, hidden_channels=neck.last_split // 2,
                           **stages)

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        fine, middle, coarse = self.top_down(feats[:3])
        middle = self.middle(torch.cat([self.down_fine(fine), middle], dim=1))
        return fine, middle, self.coarse(torch.cat([self.down_middle(middle), coarse], dim=1))
