"""Overlaps of boxes in (x1, y1, x2, y2)."""
import torch
from torch import Tensor

from .kernels import computed

IOU, IOF = range(2)


def bbox_overlaps(bboxes1: Tensor, bboxes2: Tensor, ious: Tensor, mode: int, aligned: bool, offset: int) -> None:
    """(N, 4), (M, 4) -> `ious` (N, M), or (N,) of pairs if `aligned`; of the union or, mode 1, of the first box."""
    first, second = computed(bboxes1, bboxes2)
    if not aligned:
        first = first.unsqueeze(1)
    sides = torch.minimum(first[..., 2:], second[..., 2:]) - torch.maximum(first[..., :2], second[..., :2]) + offset
    overlap = sides.clamp(min=0).prod(dim=-1)
    area = (first[..., 2:] - first[..., :2] + offset).prod(dim=-1)
    if mode == IOU:
        area = area + (second[..., 2:] - second[..., :2] + offset).prod(dim=-1) - overlap
    ious.copy_(overlap / area)
