"""Distances as distributions over bins (generalized focal loss, https://arxiv.org/abs/2006.04388, section 3.1)."""
import torch
import torch.nn.functional as F
from torch import Tensor


def expected_distances(logits: Tensor, dim: int) -> Tensor:
    """Expectation over the bins 0, 1, ... along `dim`, which the result lacks.

    Shape:
        (..., bins, ...) -> (..., ...), values in [0, bins - 1]
    """
    bins = torch.arange(logits.shape[dim], device=logits.device, dtype=logits.dtype)
    probabilities = logits.softmax(dim)
    if dim in (-2, logits.ndim - 2):
        return bins @ probabilities  # as it lies in memory; tensordot would copy it
    return probabilities.movedim(dim, -1) @ bins


def distances_to_boxes(points: Tensor, distances: Tensor) -> Tensor:
    """Boxes around points.

    Args:
        points: (..., 2) as (x, y).
        distances: (..., 4) to the left, top, right and bottom side, in the unit of the points.

    Returns:
        (..., 4) as (x1, y1, x2, y2).
    """
    return torch.cat([points - distances[..., :2], points + distances[..., 2:]], dim=-1)


def distribution_focal_loss(logits: Tensor, distances: Tensor) -> Tensor:
    """Cross-entropy against the two bins beside the true distance, weighted by closeness (equation 6).

    Args:
        logits: (..., bins).
        distances: (...), clamped here to [0, bins - 1.01].

    Returns:
        (...).
    """
    bins = logits.shape[-1]
    distances = distances.clamp(0, bins - 1.01)
    lower = distances.long()
    upper_weight = distances - lower
    log_probabilities = F.log_softmax(logits, dim=-1)
    at_lower = log_probabilities.gather(-1, lower.unsqueeze(-1)).squeeze(-1)
    at_upper = log_probabilities.gather(-1, lower.unsqueeze(-1) + 1).squeeze(-1)
    return -(at_lower * (1 - upper_weight) + at_upper * upper_weight)
