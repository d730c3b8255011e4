"""Outlines of instances, which let boxes stay tight when an image is cropped and let instances be pasted."""
from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS

_BRIDGE = 1e-3  # pixels that the way from one part to the next counts, so that hardly any point falls on it


@TRANSFORMS.register_module()
class LoadPolygons(BaseTransform):
    """Sample points on the COCO polygons of each instance; put it after `LoadAnnotations(with_bbox=True)`.

    Instances without polygons (boxes only, or a run-length mask) get NaN, and later steps use their box. Between this
    step and `YOLOAffine`, which removes the outlines, only transforms of this package may move pixels. The key
    `instances` is removed: otherwise its lists would be copied many times when images are mixed.

    Args:
        num_points: Points on each outline.

    Adds `gt_polygons` (N, num_points, 2), float32, (x, y) in pixels.
    """

    def __init__(self, num_points: int = 1000) -> None:
        if num_points < 3:
            raise ValueError(f'num_points must be at least 3, got {num_points}')
        self.num_points = num_points

    def transform(self, results: dict) -> dict:
        instances = results.pop('instances')
        polygons = np.full((len(instances), self.num_points, 2), np.nan, np.float32)
        for row, instance in zip(polygons, instances):
            if parts := _valid_parts(instance.get('mask')):
                row[:] = sample_outline(parts, self.num_points)
        results['gt_polygons'] = polygons
        return results


def sample_outline(parts: Sequence[np.ndarray], num_points: int) -> np.ndarray:
    """Points (num_points, 2) along closed polygons: every vertex, if there are few enough, and evenly spaced points.

    All parts are joined to one polygon that covers the same area: a straight line goes from each part to the next one,
    and at the end the outline goes back along the same lines.

    Args:
        parts: Vertices (V, 2) of each polygon.
        num_points: Points to return.
    """
    loops = [np.concatenate([part, part[:1]]) for part in parts]
    loops += [loop[:1] for loop in loops[-2::-1]]
    points = np.concatenate(loops)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    if len(parts) > 1:
        steps[np.cumsum([len(loop) for loop in loops])[:-1] - 1] = _BRIDGE
    positions = np.concatenate([[0.], np.cumsum(steps)])
    if len(points) <= num_points:
        spaced = np.linspace(0, positions[-1], num_points - len(points))
        sampled = np.sort(np.concatenate([positions, spaced]))
    else:
        sampled = np.linspace(0, positions[-1], num_points)
    return np.stack([np.interp(sampled, positions, points[:, axis]) for axis in (0, 1)], axis=1)


def _valid_parts(mask: list | dict | None) -> list[np.ndarray]:
    """COCO's [[x, y, x, y, ...], ...] as (V, 2) arrays; what is no polygon is left out."""
    if not isinstance(mask, list):
        return []
    parts = [np.array(part, np.float64).reshape(-1, 2) for part in mask if len(part) >= 6 and len(part) % 2 == 0]
    return [part for part in parts if np.isfinite(part).all()]
