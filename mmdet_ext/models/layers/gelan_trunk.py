"""The trunk of GELAN, which backbones and reversible branches share.

YOLOv9 (https://arxiv.org/abs/2402.13616), section 4.2.
"""
from collections.abc import Sequence

import torch.nn as nn
from torch import Tensor

from .composite import cb_fuse
from .downsample import StridedConv
from .elan import ELAN
from .gelan_arch import Arch, gelan_arch
from .retriever_dictionary import RetrieverDictionary


class GELANTrunk(nn.Module):
    """Five steps that halve the resolution, an ELAN block after each of the last four.

    Args:
        arch: Size: t, s, m, c, e, or a dict (see `gelan_arch`).
        in_channels: Channels of the image.
        num_steps: Number of steps to build, fewer than five if the coarser maps are not needed.
        rd: `dict(stage=1, ...)`: a `RetrieverDictionary` after block number `stage` (0..3 for strides 4..32), with the
            other entries as its arguments. The next steps get its output.

    Shape:
        (B, in_channels, H, W) -> maps (B, C_k, H / 2^k, W / 2^k), k = 1..num_steps; H and W multiples of 32
    """

    def __init__(self, arch: Arch, in_channels: int = 3, num_steps: int = 5, *, rd: dict | None = None) -> None:
        super().__init__()
        sizes = gelan_arch(arch)
        downs, blocks = sizes.downs[:num_steps], sizes.blocks[:num_steps - 1]
        self.out_channels = (downs[0], *(block.out for block in blocks))
        sources = (in_channels, *self.out_channels)
        self.downs = nn.ModuleList(
            (StridedConv if k < 2 else sizes.down)(source, out) for k, (source, out) in enumerate(zip(sources, downs)))
        self.blocks = nn.ModuleList(
            ELAN(source, out, split, hidden_channels=hidden, **stages._asdict())
            for source, (out, split, hidden, stages) in zip(downs[1:], blocks))
        self.rd = nn.ModuleDict()
        if rd is not None:
            if not isinstance(rd, dict):
                raise ValueError(f'rd should be a dict such as dict(stage=1, num_atoms=512), got {rd!r}')
            stage, options = rd.get('stage', 1), {name: value for name, value in rd.items() if name != 'stage'}
            if stage not in range(len(blocks)):
                raise ValueError(f'rd.stage should be in 0..{len(blocks) - 1}, got {stage!r}')
            self.rd[str(stage)] = RetrieverDictionary(blocks[stage].out, **options)

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
