"""Boxes (x1, y1, x2, y2) of annotation builders: how much they overlap, and which of them are one object."""
import numpy as np
import torch
from scipy.sparse.csgraph import connected_components
from torchvision.ops import box_iou, generalized_box_iou


def iou_matrix(boxes: np.ndarray, others: np.ndarray, *, generalized: bool = False) -> np.ndarray:
    """IoU, or GIoU, of each box with each of the others, in double precision: (N, 4), (M, 4) -> (N, M)."""
    tensors = (torch.from_numpy(np.asarray(array, dtype=np.float64).reshape(-1, 4)) for array in (boxes, others))
    return (generalized_box_iou if generalized else box_iou)(*tensors).numpy()


def merge_boxes(boxes: np.ndarray, threshold: float) -> list[list[int]]:
    """Group boxes (N, 4) that a chain of overlaps with an IoU of `threshold` or more connects.

    Returns groups of indices in ascending order, the groups by their first members.
    """
    groups: dict[int, list[int]] = {}
    if len(boxes):
        _, labels = connected_components(iou_matrix(boxes, boxes) >= threshold, directed=False)
        for index, label in enumerate(labels.tolist()):
            groups.setdefault(label, []).append(index)
    return list(groups.values())
