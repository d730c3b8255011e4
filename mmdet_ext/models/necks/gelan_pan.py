"""The path-aggregation neck of YOLOv9 (https://arxiv.org/abs/2402.13616), made of GELAN's blocks."""
from collections.abc import Sequence

import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from ..layers import ELAN, TOP_DOWN_CHANNELS, TopDown, trunk_arch

# Channels of the two down-samplings, split channels of the last block.
# m: the published model file asks for 180 and its reader rounds up to 184.
PAN_ARCHS = dict(t=((48, 64), 128), s=((96, 128), 256), m=((184, 240), 480), c=((256, 512), 512), e=((256, 512), 1024))


@MODELS.register_module()
class GELANPAN(BaseModule):
    """SPPELAN and a top-down path, then a bottom-up path.

    Args:
        arch: Size: t, s, m, c or e.
        in_channels: Channels of the three inputs (strides 8, 16, 32); by default those of GELAN of the same size.
        init_cfg: As in mmengine.

    Shape:
        three maps of strides 8, 16, 32, of which any that follow are ignored (the first pass of size e)
        -> three maps (B, out_channels[i], H_i, W_i)
    """

    def __init__(self, arch: str = 'c', in_channels: Sequence[int] | None = None, *,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        trunk = trunk_arch(arch)
        down_channels, last_split = PAN_ARCHS[arch]
        in_channels = tuple(in_channels or (out for out, _, _ in trunk.blocks[1:]))
        if len(in_channels) != 3:
            raise ValueError(f'in_channels should give three levels, got {in_channels}')
        fine, middle, coarse = self.out_channels = TOP_DOWN_CHANNELS[arch]
        depth = trunk.depths[-1]
        self.top_down = TopDown(in_channels, self.out_channels, depth)
        self.down_fine = trunk.down(fine, down_channels[0])
        self.middle = ELAN(down_channels[0] + middle, middle, middle, hidden_channels=middle // 2, depth=depth)
        self.down_middle = trunk.down(middle, down_channels[1])
        self.coarse = ELAN(down_channels[1] + coarse, coarse, last_split, hidden_channels=last_split // 2, depth=depth)

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        fine, middle, coarse = self.top_down(feats[:3])
        middle = self.middle(torch.cat([self.down_fine(fine), middle], dim=1))
        return fine, middle, self.coarse(torch.cat([self.down_middle(middle), coarse], dim=1))
