"""Functions on all annotated instances of an image in mmdet's results dict: every entry has one row per instance.

`gt_polygons` (N, P, 2), float32, are P points (x, y) in pixels on the outline of each instance; NaN where it has none.
"""
from collections.abc import Sequence

import numpy as np
from mmdet.structures.bbox import HorizontalBoxes

KEYS = ('gt_bboxes', 'gt_bboxes_labels', 'gt_ignore_flags', 'gt_polygons')


def get_boxes(results: dict) -> np.ndarray:
    """Return the boxes (N, 4) as (x1, y1, x2, y2) in pixels, float32; changing them does not change `results`."""
    boxes = results['gt_bboxes']
    return (boxes.tensor.numpy() if isinstance(boxes, HorizontalBoxes) else np.asarray(boxes, np.float32)).copy()


def set_boxes(results: dict, boxes: np.ndarray) -> None:
    results['gt_bboxes'] = HorizontalBoxes(boxes)


def select(results: dict, index: np.ndarray) -> None:
    """Keep the instances that a mask (N,) or a list of indices selects, in the order of the selection."""
    for key in KEYS:
        if key in results:
            results[key] = results[key][index]


def concatenate(parts: Sequence[dict]) -> dict:
    """Join the instances of several results dicts, in their order."""
    merged = {}
    for key in KEYS:
        present = [key in part for part in parts]
        if not any(present):
            continue
        if not all(present):
            raise ValueError(f'images with and without {key!r} cannot be mixed: let the same pipeline load them all')
        rows = [part[key] for part in parts]
        merged[key] = HorizontalBoxes.cat(rows) if isinstance(rows[0], HorizontalBoxes) else np.concatenate(rows)
    return merged


def has_polygon(polygons: np.ndarray) -> np.ndarray:
    """(N, P, 2) -> (N,) bool."""
    return ~np.isnan(polygons[:, 0, 0])


def boxes_of_polygons(polygons: np.ndarray, width: int, height: int) -> np.ndarray:
    """The boxes (N, 4) around the points of each outline that are inside the image; zeros if there are none."""
    x, y = polygons[..., 0], polygons[..., 1]  # (N, P)
    inside = (x >= 0) & (y >= 0) & (x <= width) & (y <= height)
    lowest = np.where(inside[..., None], polygons, np.inf).min(axis=1)  # (N, 2)
    highest = np.where(inside[..., None], polygons, -np.inf).max(axis=1)
    boxes = np.concatenate([lowest, highest], axis=1)
    boxes[~inside.any(axis=1)] = 0
    return boxes.astype(np.float32)


def shift_and_clip(results: dict, offset: tuple[float, float], width: int, height: int) -> None:
    """Move the instances by (x, y) pixels onto a canvas, clip them to it and drop those of which nothing is left."""
    boxes = get_boxes(results) + np.tile(np.float32(offset), 2)
    boxes = boxes.clip(0, np.float32([width, height, width, height]))
    set_boxes(results, boxes)
    if 'gt_polygons' in results:
        polygons = results['gt_polygons'] + np.float32(offset)
        results['gt_polygons'] = polygons.clip(0, np.float32([width, height]))
    select(results, (boxes[:, 2:] > boxes[:, :2]).all(axis=1))
