"""Why one of two lists of detections has what the other lacks, although both come from the same network.

Two programs add numbers in another order, so their boxes and scores differ in the last digits. Where a decision stands
on the edge (a threshold, the order of two scores, the last place), these digits decide.
"""
from typing import NamedTuple

import numpy as np
import torch
from torchvision.ops import box_iou

from ..models.dense_heads.postprocess import CLASS_OFFSET
from ..predict import Detections
from .nms import Rules

EDGES = dict(fp32=(0.01, 1e-4), fp16=(4.0, 0.05), int8=(30.0, 0.3))  # pixels of the input, and score


class Choice(NamedTuple):
    """How detections are chosen from all boxes.

    Attributes:
        rules: Of NMS; None where there is none.
        most: Largest number of detections of an image; None where there is no limit.
        scale: Pixels of the original image per pixel of the input.
        boxes: (N, 4) all boxes of the first program before NMS, in pixels of the original image.
        scores: (N, C) their scores.
    """
    rules: Rules | None = None
    most: int | None = None
    scale: float = 1.0
    boxes: np.ndarray | None = None
    scores: np.ndarray | None = None


def unexplained(lists: tuple[Detections, Detections], alone: tuple[np.ndarray, np.ndarray], choice: Choice,
                precision: str = 'fp32') -> int:
    """The number of detections without a pair that no decision on the edge explains.

    Such a detection is explained if its score is that of the threshold, if it lies below the last place of the other
    list, or if a box of the other list stands in its place: one that is at NMS's threshold of overlap, one without a
    pair of the same score, or one without a pair that is explained itself. What the second list alone has must be one
    of the boxes that the first program chose from: a box that moved is no tie.

    Args:
        lists: Two lists of detections of an image.
        alone: For each list (N,) bool, which of its detections have no pair in the other.
        choice: How both were chosen.
        precision: 'fp32', 'fp16' or 'int8': how large differences may be.
    """
    _, edge = EDGES[precision]
    real = [np.ones(len(lists[0]), bool), _among(lists[1], choice, precision)]
    known = [missing & known_box & _below(mine, other, choice, edge) for mine, other, missing, known_box in
             ((*lists, alone[0], real[0]), (*lists[::-1], alone[1], real[1]))]
    if choice.rules is not None:
        overlaps, at_edge = _overlaps(lists, choice, precision)
        gaps = lists[0].scores[:, None] - lists[1].scores
        takes_place = [overlaps & (gaps <= edge), (overlaps & (gaps >= -edge)).T]  # comes first in NMS, or as good as
        tied = np.abs(gaps) <= edge
        for row, (at, tie) in enumerate(((at_edge, tied), (at_edge.T, tied.T))):
            other = alone[1 - row]
            takes_place[row] &= real[1 - row]
            known[row] |= alone[row] & real[row] & (takes_place[row] & np.where(other, tie, at)).any(1)
        count = -1
        while count != sum(map(np.sum, known)):  # what follows from an explained one
            count = sum(map(np.sum, known))
            for row in range(2):
                known[row] |= alone[row] & real[row] & (takes_place[row] & known[1 - row]).any(1)
    return int(sum((missing & ~reasons).sum() for missing, reasons in zip(alone, known, strict=True)))


def _among(detections: Detections, choice: Choice, precision: str) -> np.ndarray:
    """Which detections are boxes of the first program."""
    if choice.boxes is None:
        return np.ones(len(detections), bool)
    pixels, score = EDGES[precision]
    pixels *= choice.scale
    return np.array([((np.abs(choice.boxes - box).max(1) <= pixels)
                      & (np.abs(choice.scores[:, label] - value) <= score)).any()
                     for box, value, label in zip(detections.boxes, detections.scores, detections.labels)], bool)


def _below(mine: Detections, other: Detections, choice: Choice, edge: float) -> np.ndarray:
    """Which scores are those of the threshold, or no better than the last place of a full list."""
    below = np.zeros(len(mine), bool)
    if choice.rules is not None:
        below |= mine.scores <= choice.rules.score_thr + edge
    if choice.most is not None and len(other) >= choice.most:
        below |= mine.scores <= other.scores.min() + edge
    return below


def _overlaps(lists: tuple[Detections, Detections], choice: Choice,
              precision: str) -> tuple[np.ndarray, np.ndarray]:
    """For each pair of detections (N, M) whether NMS may drop one for the other, and whether it may as well not.

    Eager NMS moves the boxes of each class by a multiple of 7680 pixels, which costs them digits of float32. Boxes at
    the border were cut after NMS, so that the overlap that it saw is not known.
    """
    first, second = lists
    boxes = [torch.from_numpy(x.boxes).double() / choice.scale for x in lists]
    iou = box_iou(*boxes).nan_to_num().numpy()
    digits = np.spacing((first.labels[:, None] + 1).astype(np.float32) * np.float32(CLASS_OFFSET))
    moved = EDGES[precision][0] + (0 if choice.rules.class_agnostic else digits)
    sides = [(x[:, 2:] - x[:, :2]).sum(1).numpy() for x in boxes]
    areas = [(x[:, 2:] - x[:, :2]).prod(1).numpy() for x in boxes]
    margin = 4 * moved * (sides[0][:, None] + sides[1]) / np.maximum(np.maximum(areas[0][:, None], areas[1]), 1e-9)
    cut = [_at_border(x) for x in lists]
    margin = np.where(cut[0][:, None] | cut[1], np.inf, margin)
    same = choice.rules.class_agnostic | (first.labels[:, None] == second.labels)
    near = np.abs(iou - choice.rules.iou_threshold) <= margin
    return same & (near | (iou > choice.rules.iou_threshold)), same & near


def _at_border(detections: Detections) -> np.ndarray:
    height, width = detections.shape
    low, high = detections.boxes[:, :2], detections.boxes[:, 2:]
    return (low <= 0.01).any(1) | (high >= np.array([width, height]) - 0.01).any(1)
