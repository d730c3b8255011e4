"""The Gaussians by which SMCA-DETR modulates attention (https://arxiv.org/abs/2101.07448, section 3.2)."""
from typing import NamedTuple

import torch
from torch import Tensor

# How many numbers a head has for the width of its Gaussian, by the published code's names. The paper calls the first
# three fixed, single and independent; the fourth, with a product term, is in the code alone.
DYNAMIC_SCALES = dict(type1=0, type2=1, type3=2, type4=3)


class AxisTerms(NamedTuple):
    """Logarithms of Gaussians as vectors along the axes of a map: rows + columns + row_factors * column_factors.

    rows: (B, M, Q, h). columns: (B, M, Q, w). row_factors, column_factors: the same shapes, or None without product.
    """
    rows: Tensor
    columns: Tensor
    row_factors: Tensor | None = None
    column_factors: Tensor | None = None

    def sum(self) -> Tensor:
        """(B, M, Q, h * w), rows first."""
        total = self.rows.unsqueeze(-1) + self.columns.unsqueeze(-2)
        if self.row_factors is not None:
            total.addcmul_(self.row_factors.unsqueeze(-1), self.column_factors.unsqueeze(-2))
        return total.flatten(-2)


def axis_terms(centre: Tensor, scale: Tensor, shape: tuple[int, int], smooth: float = 8.) -> AxisTerms:
    """The terms of `log_gaussian`, with its arguments."""
    dtype = torch.promote_types(centre.dtype, torch.float32)
    centre, scale = (x.to(dtype).transpose(1, 2).unsqueeze(3) for x in (centre, scale))  # (B, M, Q, 1, 2 or K)
    height, width = shape
    dx2 = (centre[..., 0] - torch.arange(width, device=centre.device)).square()  # (B, M, Q, w)
    dy2 = (centre[..., 1] - torch.arange(height, device=centre.device)).square()  # (B, M, Q, h)
    kinds = scale.shape[-1]
    if not kinds:
        return AxisTerms(dy2 / -smooth, dx2 / -smooth)
    factors = (scale / -smooth).unbind(-1)
    rows, columns = dy2 * factors[min(kinds, 2) - 1], dx2 * factors[0]
    return AxisTerms(rows, columns, dy2 * factors[2], dx2) if kinds == 3 else AxisTerms(rows, columns)


def log_gaussian(centre: Tensor, scale: Tensor, shape: tuple[int, int], smooth: float = 8.) -> Tensor:
    """-(s_x dx^2 + s_y dy^2 + s_xy dx^2 dy^2) / smooth at each cell, dx and dy from the centre, in float32 at least.

    Args:
        centre: (B, Q, M, 2), x and y in cells; the first cell is at 0. May lie outside the map.
        scale: (B, Q, M, K) with K = 0 (all are 1), 1 (s_x = s_y), 2 (s_x, s_y) or 3 (s_x, s_y, s_xy).
        shape: h, w of the map.
        smooth: The paper's beta.

    Returns:
        (B, M, Q, h * w), rows first.
    """
    return axis_terms(centre, scale, shape, smooth).sum()
