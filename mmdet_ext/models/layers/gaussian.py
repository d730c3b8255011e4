"""The Gaussians by which SMCA-DETR modulates attention (https://arxiv.org/abs/2101.07448, section 3.2)."""
import torch
from torch import Tensor

# How many numbers a head has for the width of its Gaussian, by the published code's names. The paper calls the first
# three fixed, single and independent; the fourth, with a product term, is in the code alone.
DYNAMIC_SCALES = dict(type1=0, type2=1, type3=2, type4=3)


def log_gaussian(centre: Tensor, scale: Tensor, shape: tuple[int, int], smooth: float = 8.) -> Tensor:
    """-(s_x dx^2 + s_y dy^2 + s_xy dx^2 dy^2) / smooth at each cell, dx and dy from the centre, in float32 at least.

    The first two terms are one vector per axis: only their sum, which is the result, has the size of the map.

    Args:
        centre: (B, Q, M, 2), x and y in cells; the first cell is at 0. May lie outside the map.
        scale: (B, Q, M, K) with K = 0 (all are 1), 1 (s_x = s_y), 2 (s_x, s_y) or 3 (s_x, s_y, s_xy).
        shape: h, w of the map.
        smooth: The paper's beta.

    Returns:
        (B, M, Q, h * w), rows first.
    """
    dtype = torch.promote_types(centre.dtype, torch.float32)
    centre, scale = (x.to(dtype).transpose(1, 2).unsqueeze(3) for x in (centre, scale))  # (B, M, Q, 1, 2 or K)
    height, width = shape
    dx2 = (centre[..., 0] - torch.arange(width, device=centre.device)).square()  # (B, M, Q, w)
    dy2 = (centre[..., 1] - torch.arange(height, device=centre.device)).square()  # (B, M, Q, h)
    kinds = scale.shape[-1]
    columns = dx2 * (scale[..., 0] / -smooth) if kinds else dx2 / -smooth
    rows = dy2 * (scale[..., min(kinds, 2) - 1] / -smooth) if kinds else dy2 / -smooth
    found = rows.unsqueeze(4) + columns.unsqueeze(3)  # (B, M, Q, h, w)
    if kinds == 3:
        found = found + (dy2 * (scale[..., 2] / -smooth)).unsqueeze(4) * dx2.unsqueeze(3)
    return found.flatten(3)
