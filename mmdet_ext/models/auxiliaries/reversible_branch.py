"""The auxiliary reversible branch of PGI (YOLOv9, https://arxiv.org/abs/2402.13616, section 4.1; the paper's ICN)."""
from collections.abc import Sequence

import torch.nn as nn
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from ..layers import CBLinear, GELANTrunk, trunk_arch


@MODELS.register_module()
class ReversibleBranch(BaseModule):
    """A second GELAN over the image, to which projections of the backbone's maps are added (sizes m and c).

    Args:
        arch: Size of the second GELAN: t, s, m, c or e.
        in_channels: Channels of the backbone's maps of strides 8, 16, 32; by default those of GELAN of the same size.
        in_indices: Which of the backbone's maps these three are.
        init_cfg: As in mmengine.

    Shape:
        image (B, 3, H, W) and the backbone's maps -> three maps of strides 8, 16, 32
    """

    def __init__(self, arch: str = 'c', in_channels: Sequence[int] | None = None, *,
                 in_indices: Sequence[int] = (0, 1, 2), init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.trunk = GELANTrunk(arch)
        self.in_indices = tuple(in_indices)
        self.out_channels = self.trunk.out_channels[2:]
        in_channels = tuple(in_channels or self.out_channels)
        self.in_channels = in_channels
        if not len(in_channels) == len(self.in_indices) == 3:
            raise ValueError(f'in_channels and in_indices should give three levels, got {in_channels}, {in_indices}')
        downs = trunk_arch(arch).downs[2:]
        self.links = nn.ModuleList(CBLinear(channels, downs[:k + 1]) for k, channels in enumerate(in_channels))

    def forward(self, images: Tensor, feats: Sequence[Tensor]) -> tuple[Tensor, ...]:
        projections = [link(feats[i]) for link, i in zip(self.links, self.in_indices)]
        laterals = [[maps[k] for maps in projections[k:]] for k in range(3)]
        return self.trunk(images, [(), (), *laterals])[2:]
