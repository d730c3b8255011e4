"""The Gaussians that queries predict to modulate attention (SMCA-DETR, https://arxiv.org/abs/2101.07448, sections 3.2,
3.4)."""
from typing import NamedTuple

import torch.nn as nn
from torch import Tensor

from .gaussian import DYNAMIC_SCALES


class Modulation(NamedTuple):
    """Gaussians of one decoder layer over L maps.

    offsets: (B, Q, L, M, 2), x and y in cells of each map, from the query's centre.
    scales: (B, Q, L, M, K), factors of the squared distances, as `log_gaussian` takes them.
    alpha: (B, Q, L), weights of the maps that sum to 1, or ones without scale selection.
    """
    offsets: Tensor
    scales: Tensor
    alpha: Tensor


class GaussianModulation(nn.Module):
    """Offsets and scales of a query's Gaussians, one per head and map, and the weights of the maps.

    Args:
        embed_dims: C.
        num_heads: M.
        num_scales: L, how many maps are attended to.
        dynamic_scale: 'type1' (all scales 1), 'type2' (one per head), 'type3' (one per head and axis) or 'type4' (with
            a product term).
        head_shared: Whether all heads share one Gaussian, which then has no offset.
        scale_selection: Whether the maps are weighted; needs more than one.

    Shape:
        (B, Q, C) -> `Modulation`
    """

    def __init__(self, embed_dims: int, num_heads: int, num_scales: int = 1, *, dynamic_scale: str = 'type3',
                 head_shared: bool = False, scale_selection: bool = True) -> None:
        super().__init__()
        if dynamic_scale not in DYNAMIC_SCALES:
            raise ValueError(f'dynamic_scale should be one of {", ".join(DYNAMIC_SCALES)}, got {dynamic_scale!r}')
        self.num_heads = num_heads
        self.num_scales = num_scales
        self.per_head = DYNAMIC_SCALES[dynamic_scale]
        heads = 1 if head_shared else num_heads
        self.norm = nn.LayerNorm(embed_dims)
        self.offset = None if head_shared else nn.Linear(embed_dims, num_scales * heads * 2)
        self.scale = nn.Linear(embed_dims, num_scales * heads * self.per_head) if self.per_head else None
        self.selection = nn.Linear(embed_dims, num_scales) if scale_selection and num_scales > 1 else None
        self.init_scale()

    def init_scale(self) -> None:
        """Initialise the layer so that all scales are 1."""
        if self.scale is not None:
            nn.init.zeros_(self.scale.weight)
            nn.init.ones_(self.scale.bias)

    def forward(self, normed: Tensor) -> Modulation:
        """`normed` is `self.norm` of the layer's input plus its position."""
        batch, queries, _ = normed.shape
        maps = (batch, queries, self.num_scales)
        if self.offset is None:
            offsets = normed.new_zeros(*maps, self.num_heads, 2)
        else:
            offsets = self.offset(normed).view(*maps, self.num_heads, 2)
        if self.scale is None:
            scales = normed.new_zeros(*maps, self.num_heads, 0)
        else:
            scales = self.scale(normed).float().square().view(*maps, -1, self.per_head)
            scales = scales.expand(*maps, self.num_heads, self.per_head)
        alpha = normed.new_ones(maps) if self.selection is None else self.selection(normed).float().softmax(dim=2)
        return Modulation(offsets, scales, alpha)
