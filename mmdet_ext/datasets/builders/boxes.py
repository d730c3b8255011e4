"""Boxes (x1, y1, x2, y2) of annotation builders: how much they overlap, which of them are one object."""
import numpy as np
import torch
from scipy.sparse.csgraph import connected_components
from torchvision.ops import box_iou, generalized_box_iou


def iou_matrix(boxes: np.ndarray, others: np.ndarray, *, generalized: bool = False) -> np.ndarray:
    """IoU, or GIoU, of each box with each of the others, in double precision: (N, 4), (M, 4) -> (N, M)."""
    measure = generalized_box_iou if generalized else box_iou
    return measure(_tensor(boxes), _tensor(others)).numpy()


def merge_boxes(boxes: np.ndarray, threshold: float) -> list[list[int]]:
    """Which boxes are one object: those that a chain of overlaps with an IoU of `threshold` or more connects.

    Args:
        boxes: (N, 4).

    Returns:
        Groups of indices in ascending order, the groups by their first members.
    """
    if not len(boxes):
        return []
    _, labels = connected_components(iou_matrix(boxes, boxes) >= threshold, directed=False)
    groups: dict[int, list[int]] = {}
    for index, label in enumerate(labels.tolist()):
        groups.setdefault(label, []).append(index)
    return list(groups.values())


def enclosing_box(boxes: np.ndarray) -> np.ndarray:
    """The smallest box around all of them: (N, 4) -> (4,), for N >= 1."""
    boxes = np.asarray(boxes)
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def xywh_to_xyxy(boxes: np.ndarray) -> np.ndarray:
    """Boxes (x, y, width, height), as annotation files have them, by their corners: (N, 4) -> (N, 4)."""
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def _tensor(boxes: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.asarray(boxes, dtype=np.float64).reshape(-1, 4))
