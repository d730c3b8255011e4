"""IoU and generalized IoU (https://arxiv.org/abs/1902.09630) of pairs of boxes."""
import torch
from torch import Tensor


def broadcast_overlaps(boxes1: Tensor, boxes2: Tensor, mode: str = 'giou', eps: float = 1e-6) -> Tensor:
    """Like `mmdet.structures.bbox.bbox_overlaps`, with the same values, but for any boxes that broadcast, and without
    its copy of `eps` to the device, which makes the host wait.

    Args:
        boxes1: (..., 4) as (x1, y1, x2, y2).
        boxes2: (..., 4), broadcastable against `boxes1`.
        mode: 'iou', 'giou', or 'iof' (intersection over the area of `boxes1`).
        eps: Smallest denominator.

    Returns:
        (...), one value per pair.
    """
    if mode not in ('iou', 'iof', 'giou'):
        raise ValueError(f"mode should be 'iou', 'iof' or 'giou', got {mode!r}")
    sizes1, sizes2 = boxes1[..., 2:] - boxes1[..., :2], boxes2[..., 2:] - boxes2[..., :2]
    inner = torch.minimum(boxes1[..., 2:], boxes2[..., 2:]) - torch.maximum(boxes1[..., :2], boxes2[..., :2])
    overlap, area1 = _product(inner.clamp(min=0)), _product(sizes1)
    union = (area1 if mode == 'iof' else area1 + _product(sizes2) - overlap).clamp(min=eps)
    if mode != 'giou':
        return overlap / union
    outer = torch.maximum(boxes1[..., 2:], boxes2[..., 2:]) - torch.minimum(boxes1[..., :2], boxes2[..., :2])
    enclosing = _product(outer.clamp(min=0)).clamp(min=eps)
    return overlap / union - (enclosing - union) / enclosing


def _product(sizes: Tensor) -> Tensor:
    return sizes[..., 0] * sizes[..., 1]
