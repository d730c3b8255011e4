"""Suppression of overlapping boxes: ``nms``, ``softnms``, ``nms_match``.

Boxes are (N, 4) in (x1, y1, x2, y2); with `offset` 1 a box also has the pixels of its right and lower border.
"""
import numpy as np
import torch
import torchvision  # noqa: F401  registers torch.ops.torchvision
from torch import Tensor

from .precision import computed

NAIVE, LINEAR, GAUSSIAN = range(3)


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Rows of the boxes that are kept, by falling score."""
    boxes, scores = computed(boxes, scores)
    if offset:
        boxes = torch.cat([boxes[:, :2], boxes[:, 2:] + offset], dim=1)
    # mmcv compares in float32: an IoU of 0.6 is not above a threshold of 0.6
    return torch.ops.torchvision.nms(boxes, scores, float(np.float32(iou_threshold)))


def softnms(boxes: Tensor, scores: Tensor, dets: Tensor, iou_threshold: float, sigma: float, min_score: float,
            method: int, offset: int) -> Tensor:
    """Lower the scores of boxes that overlap a better one; fill `dets` (N, 5) with boxes and scores by falling score.

    Returns:
        Rows of the boxes whose score stays at or above `min_score`; `dets` has as many valid rows.
    """
    boxes, scores = computed(boxes.detach(), scores.detach())
    rows = torch.arange(len(boxes), device=boxes.device)
    kept = []
    while len(rows):
        best = int(scores.argmax())
        kept.append(rows[best])
        dets[len(kept) - 1, :4] = boxes[best]
        dets[len(kept) - 1, 4] = scores[best]
        overlap = _overlaps(boxes[best], boxes, offset)
        if method == GAUSSIAN:
            weight = torch.exp(-overlap.square() / sigma)
        else:
            reduced = torch.zeros_like(overlap) if method == NAIVE else 1 - overlap
            weight = torch.where(overlap >= iou_threshold, reduced, 1)
        scores = scores * weight
        stays = scores >= min_score
        stays[best] = False
        rows, boxes, scores = rows[stays], boxes[stays], scores[stays]
    return torch.stack(kept) if kept else rows


def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """For each kept box of (N, 5) by falling score: its row, then the rows that it suppresses."""
    boxes, scores = computed(dets[:, :4], dets[:, 4])
    order = scores.argsort(descending=True, stable=True)
    boxes = boxes[order]
    groups = []
    while len(order):
        suppressed = _overlaps(boxes[0], boxes, 0) >= np.float32(iou_threshold)
        suppressed[0] = True
        groups.append(order[suppressed].tolist())
        order, boxes = order[~suppressed], boxes[~suppressed]
    return groups


def _overlaps(box: Tensor, boxes: Tensor, offset: int) -> Tensor:
    """Intersection over union of (4,) and (N, 4): (N,)."""
    sides = (torch.minimum(box[2:], boxes[:, 2:]) - torch.maximum(box[:2], boxes[:, :2]) + offset).clamp(min=0)
    intersection = sides.prod(dim=1)
    areas = (boxes[:, 2:] - boxes[:, :2] + offset).prod(dim=1)
    return intersection / ((box[2:] - box[:2] + offset).prod() + areas - intersection)
