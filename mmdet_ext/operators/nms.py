"""Suppression of overlapping boxes: ``nms``, ``softnms``, ``nms_match``.

Boxes are (N, 4) in (x1, y1, x2, y2); with `offset` 1 a box also has the pixels of its right and lower border.
"""
import numpy as np
import torch
from torch import Tensor

from .kernels import KERNELS, computed

NAIVE, LINEAR, GAUSSIAN = range(3)


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Rows of the boxes that are kept, by falling score."""
    boxes, scores = computed(boxes, scores)
    if offset:
        boxes = torch.cat([boxes[:, :2], boxes[:, 2:] + offset], dim=1)
    order = scores.argsort(descending=True)  # equal scores in torch's order, as in mmcv; torchvision keeps theirs
    ranks = torch.arange(len(order), 0, -1, device=boxes.device, dtype=boxes.dtype)
    # mmcv compares in float32: an IoU of 0.6 is not above a threshold of 0.6
    return order[KERNELS.nms(boxes[order], ranks, float(np.float32(iou_threshold)))]


def softnms(boxes: Tensor, scores: Tensor, dets: Tensor, iou_threshold: float, sigma: float, min_score: float,
            method: int, offset: int) -> Tensor:
    """Lower the scores of boxes that overlap a better one; fill `dets` (N, 5) with boxes and scores by falling score.

    Boxes whose score falls below `min_score` are removed and their places filled with the last ones, as in mmcv: where
    scores are equal, the place decides which box is the next.

    Returns:
        Rows of the boxes that stay; `dets` has as many valid rows.
    """
    state = _columns(torch.cat(computed(boxes, scores.unsqueeze(1)), dim=1), offset)  # (6, N), of which 4 is the score
    rows = np.arange(len(boxes))
    number, count = 0, len(boxes)
    while number < count:
        best = number + state[4, number:count].argmax()
        for values in (state, rows):
            values[..., [number, best]] = values[..., [best, number]]
        others = state[:, number + 1:count]
        others[4] *= _weights(_overlaps(state[:, number], others, offset), iou_threshold, sigma, method)
        removed = others[4] < min_score
        number += 1
        if removed.any():
            holes, last = _filled_from_the_end(removed)
            for values in (state, rows):
                values[..., number + holes] = values[..., number + last]
            count -= removed.sum()
    dets[:count] = torch.from_numpy(state[:5, :count].T)
    return torch.from_numpy(rows[:count])


def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """For each kept box of (N, 5) by falling score: its row, then the rows that it suppresses."""
    (dets,) = computed(dets)
    order = dets[:, 4].argsort(descending=True).cpu().numpy()
    state = _columns(dets, 0)[:, order]
    groups = []
    while len(order):
        suppressed = _overlaps(state[:, 0], state, 0) >= np.float32(iou_threshold)
        suppressed[0] = True
        groups.append(order[suppressed].tolist())
        order, state = order[~suppressed], state[:, ~suppressed]
    return groups


def _columns(dets: Tensor, offset: int) -> np.ndarray:
    """Boxes with scores (N, 5) -> (6, N): x1, y1, x2, y2, score, area."""
    values = dets.detach().cpu().numpy()
    area = (values[:, 2] - values[:, 0] + offset) * (values[:, 3] - values[:, 1] + offset)
    return np.stack([*values.T, area])


def _overlaps(box: np.ndarray, boxes: np.ndarray, offset: int) -> np.ndarray:
    """Intersection over union of (6,) and (6, N): (N,), not a number for two boxes without area."""
    sides = np.minimum(box[2:4, None], boxes[2:4]) - np.maximum(box[:2, None], boxes[:2]) + offset
    width, height = np.maximum(sides, 0)
    intersection = width * height
    with np.errstate(invalid='ignore', divide='ignore'):
        return intersection / (box[5] + boxes[5] - intersection)


def _weights(overlaps: np.ndarray, iou_threshold: float, sigma: float, method: int) -> np.ndarray:
    if method == GAUSSIAN:
        return np.exp(-(overlaps * overlaps) / overlaps.dtype.type(sigma))
    return np.where(overlaps >= np.float32(iou_threshold), 0 if method == NAIVE else 1 - overlaps, 1)


def _filled_from_the_end(removed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places (N,) that become empty among those that stay, and the last places, from which they are filled."""
    count = len(removed) - removed.sum()
    return removed[:count].nonzero()[0], count + (~removed[count:]).nonzero()[0][::-1]
