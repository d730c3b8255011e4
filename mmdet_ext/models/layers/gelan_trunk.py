"""The trunk of GELAN, which backbones and reversible branches share, and the table of its sizes.

YOLOv9 (https://arxiv.org/abs/2402.13616), section 4.2.
"""
from collections.abc import Sequence
from typing import NamedTuple

import torch.nn as nn
from torch import Tensor

from .composite import cb_fuse
from .conv import Conv
from .downsample import AConv, ADown
from .elan import ELAN
from .retriever_dictionary import RetrieverDictionary


class TrunkArch(NamedTuple):
    """Widths of one size.

    Attributes:
        downs: Output channels of the five steps that halve the resolution (strides 2, 4, 8, 16, 32).
        blocks: (output, split, hidden) channels of the four ELAN blocks (strides 4, 8, 16, 32).
        depths: CSP depth of each block; 0 is the plain ELAN.
        down: What halves the resolution from stride 8 on.
    """
    downs: tuple[int, int, int, int, int]
    blocks: tuple[tuple[int, int, int], ...]
    depths: tuple[int, int, int, int]
    down: type[nn.Module]


TRUNK_ARCHS = dict(
    t=TrunkArch((16, 32, 64, 96, 128), ((32, 32, 16), (64, 64, 32), (96, 96, 48), (128, 128, 64)), (0, 3, 3, 3), AConv),
    s=TrunkArch((32, 64, 128, 192, 256), ((64, 64, 32), (128, 128, 64), (192, 192, 96), (256, 256, 128)), (0, 3, 3, 3),
                AConv),
    m=TrunkArch((32, 64, 240, 360, 480), ((128, 128, 64), (240, 240, 120), (360, 360, 180), (480, 480, 240)),
                (1, 1, 1, 1), AConv),
    c=TrunkArch((64, 128, 256, 512, 512), ((256, 128, 64), (512, 256, 128), (512, 512, 256), (512, 512, 256)),
                (1, 1, 1, 1), ADown),
    e=TrunkArch((64, 128, 256, 512, 1024), ((256, 128, 64), (512, 256, 128), (1024, 512, 256), (1024, 512, 256)),
                (2, 2, 2, 2), ADown))


def trunk_arch(arch: str) -> TrunkArch:
    """The widths of size `arch`; ValueError for a size that does not exist."""
    if arch not in TRUNK_ARCHS:
        raise ValueError(f'arch should be one of {", ".join(TRUNK_ARCHS)}, got {arch!r}')
    return TRUNK_ARCHS[arch]


class GELANTrunk(nn.Module):
    """Five steps that halve the resolution, an ELAN block after each of the last four.

    Args:
        arch: Size: t, s, m, c or e.
        in_channels: Channels of the image.
        num_steps: Number of steps to build, fewer than five if the coarser maps are not needed.
        rd: `dict(stage=1, ...)`: a `RetrieverDictionary` after block number `stage` (0..3 for strides 4..32), with the
            other entries as its arguments. The next steps get its output.

    Shape:
        (B, in_channels, H, W) -> maps (B, C_k, H / 2^k, W / 2^k), k = 1..num_steps; H and W multiples of 32
    """

    def __init__(self, arch: str, in_channels: int = 3, num_steps: int = 5, *, rd: dict | None = None) -> None:
        super().__init__()
        downs, blocks, depths, down = trunk_arch(arch)
        downs, blocks, depths = downs[:num_steps], blocks[:num_steps - 1], depths[:num_steps - 1]
        self.out_channels = (downs[0], *(out for out, _, _ in blocks))
        sources = (in_channels, *self.out_channels)
        self.downs = nn.ModuleList(
            Conv(source, out, 3, stride=2) if k < 2 else down(source, out)
            for k, (source, out) in enumerate(zip(sources, downs)))
        self.blocks = nn.ModuleList(
            ELAN(source, out, split, hidden_channels=hidden, depth=depth)
            for source, (out, split, hidden), depth in zip(downs[1:], blocks, depths))
        self.rd = nn.ModuleDict()
        if rd is not None:
            stage, options = rd.get('stage', 1), {name: value for name, value in rd.items() if name != 'stage'}
            if stage not in range(len(blocks)):
                raise ValueError(f'rd.stage should be in 0..{len(blocks) - 1}, got {stage}')
            self.rd[str(stage)] = RetrieverDictionary(blocks[stage][0], **options)

    def forward(self, x: Tensor, laterals: Sequence[Sequence[Tensor]] = ((), (), (), (), ())) -> tuple[Tensor, ...]:
        """Args: `laterals[k]` are added after step k (see `cb_fuse`)."""
        maps = []
        for k, down in enumerate(self.downs):
            x = cb_fuse(down(x), laterals[k])
            if k > 0:
                x = self.blocks[k - 1](x)
                x = self.rd[str(k - 1)](x) if str(k - 1) in self.rd else x
            maps.append(x)
        return tuple(maps)
