"""The auxiliary branch of PGI that is a second top-down neck (YOLOv9, https://arxiv.org/abs/2402.13616; its FPN)."""
from collections.abc import Sequence

from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from ..layers import TOP_DOWN_CHANNELS, TopDown, trunk_arch


@MODELS.register_module()
class PyramidBranch(BaseModule):
    """A second SPPELAN and top-down path over the backbone's maps (sizes t, s and e).

    Args:
        arch: Size, which sets depth and widths: t, s, m, c or e.
        in_channels: Channels of the backbone's maps of strides 8, 16, 32; by default those of GELAN of the same size.
        out_channels: Channels of the three outputs, even; by default those of YOLOv9's neck of the same size.
        in_indices: Which of the backbone's maps these three are; size e takes the first pass: 3, 4, 5.
        init_cfg: As in mmengine.

    Shape:
        image (not read) and the backbone's maps -> three maps of strides 8, 16, 32
    """

    def __init__(self, arch: str = 't', in_channels: Sequence[int] | None = None, *,
                 out_channels: Sequence[int] | None = None, in_indices: Sequence[int] = (0, 1, 2),
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        trunk = trunk_arch(arch)
        self.in_indices = tuple(in_indices)
        in_channels = tuple(in_channels or (out for out, _, _ in trunk.blocks[1:]))
        self.in_channels = in_channels
        if not len(in_channels) == len(self.in_indices) == 3:
            raise ValueError(f'in_channels and in_indices should give three levels, got {in_channels}, {in_indices}')
        self.out_channels = tuple(out_channels or TOP_DOWN_CHANNELS[arch])
        self.top_down = TopDown(in_channels, self.out_channels, trunk.depths[-1])

    def forward(self, images: Tensor, feats: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return self.top_down([feats[i] for i in self.in_indices])
