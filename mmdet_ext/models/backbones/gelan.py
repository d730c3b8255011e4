"""GELAN, the backbone of YOLOv9 (https://arxiv.org/abs/2402.13616, section 4.2)."""
from collections.abc import Sequence

import torch.nn as nn
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from ..layers import Arch, CBLinear, GELANTrunk, gelan_arch


@MODELS.register_module()
class GELAN(BaseModule):
    """Generalised efficient layer aggregation network.

    Sizes t, s, m and c have one trunk. Size e has two: the second one also runs over the image, and at each of its five
    steps projections of the first one's maps are added. The second one's maps are the output.

    Args:
        arch: Size: t, s, m, c, e, or a dict of widths, depths and the type of block: see `gelan_arch`. Its neck is read
            by `GELANPAN`, which takes the same.
        out_indices: Which maps to return: 0..3 stand for strides 4, 8, 16, 32.
        rd: `dict(stage=1, num_atoms=512, ...)`: a `RetrieverDictionary` (YOLO-RD) after block number `stage`, by
            default the one of stride 8. Deeper stages, neck and auxiliary branch get its output. In size e it is in the
            first trunk.
        with_first_pass: Append the first trunk's maps of the same indices, for an auxiliary branch (only with two
            passes).
        frozen_stages: Blocks up to this index, and all layers before them, are not trained, and their batch norms are
            not updated; -1 freezes none. In size e this is true of both trunks.
        init_cfg: As in mmengine.

    Shape:
        (B, 3, H, W) -> tuple of (B, out_channels[i], H / stride_i, W / stride_i); H and W multiples of 32
    """

    def __init__(self, arch: Arch = 'c', out_indices: Sequence[int] = (1, 2, 3), *, rd: dict | None = None,
                 with_first_pass: bool = False, frozen_stages: int = -1, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        sizes = gelan_arch(arch)
        if not isinstance(out_indices, (list, tuple)) or not out_indices or any(i not in range(4) for i in out_indices):
            raise ValueError(f'out_indices should be a list of some of 0, 1, 2, 3, got {out_indices!r}')
        if with_first_pass and sizes.passes == 1:
            raise ValueError(f"with_first_pass=True needs two passes, as arch='e' has them, got arch={arch!r}")
        if frozen_stages not in range(-1, 4):
            raise ValueError(f'frozen_stages should be in -1..3, got {frozen_stages}')
        self.out_indices = tuple(out_indices)
        self.with_first_pass = with_first_pass
        self.frozen_stages = frozen_stages
        num_steps = max(self.out_indices) + 2  # what nothing reads would get no gradient, which DDP does not bear
        self.two_passes = sizes.passes == 2
        self.trunk = GELANTrunk(arch, num_steps=5 if self.two_passes else num_steps, rd=rd)
        if self.two_passes:
            self.links = nn.ModuleList(
                CBLinear(channels, sizes.downs[:k + 1]) for k, channels in enumerate(self.trunk.out_channels))
            self.second_trunk = GELANTrunk(arch, num_steps=num_steps)
        channels = tuple(self.trunk.out_channels[i + 1] for i in self.out_indices)
        self.out_channels = channels * 2 if with_first_pass else channels
        self._freeze()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        first = self.trunk(x)
        if not self.two_passes:
            return self._select(first)
        projections = [link(feat) for link, feat in zip(self.links, first)]
        # step k of the second pass receives the k-th projection of every map that has one
        second = self.second_trunk(x, [[maps[k] for maps in projections[k:]] for k in range(5)])
        return self._select(second) + self._select(first) if self.with_first_pass else self._select(second)

    def train(self, mode: bool = True) -> 'GELAN':
        super().train(mode)
        self._freeze()
        return self

    def _select(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(maps[i + 1] for i in self.out_indices)

    def _freeze(self) -> None:
        if self.frozen_stages < 0:
            return
        for trunk in (self.trunk, self.second_trunk) if self.two_passes else (self.trunk, ):
            for module in (*trunk.downs[:self.frozen_stages + 2], *trunk.blocks[:self.frozen_stages + 1]):
                module.eval().requires_grad_(False)
