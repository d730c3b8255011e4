"""The geometry of the shapes: signed distances and masks.

IEEE 754 defines the rounding of every operation that is used, so that all machines give the same values.
"""
from functools import lru_cache
from math import ceil, cos, pi, radians, sin

import numpy as np

from .scene import Scene


def owner_map(scene: Scene) -> np.ndarray:
    """The id of the visible object at each pixel: int (height, width), -1 for the background."""
    ids = np.full((scene.height, scene.width), -1, np.int64)
    for obj in scene.objects:
        ids[shape_mask(obj.shape, obj.extent, obj.rotation, obj.center, scene.width, scene.height)] = obj.id
    return ids


def visible_masks(scene: Scene) -> np.ndarray:
    """The visible part of each object: bool (objects, height, width)."""
    return owner_map(scene) == np.arange(len(scene.objects))[:, None, None]


def shape_mask(shape: str, extent: int, rotation: int, center: tuple[int, int], width: int, height: int) -> np.ndarray:
    """The pixels whose centre is inside the shape: bool (height, width)."""
    mask = np.zeros((height, width), bool)
    distance = shape_distance(shape, extent, rotation)
    window, part = placement(distance.shape[0], center, width, height)
    mask[window] = distance[part] <= 0
    return mask


def placement(side: int, center: tuple[int, int], width: int, height: int) -> tuple[tuple, tuple]:
    """The part of a square patch around `center` that is inside the image: slices (y, x) of image and of patch."""
    window, part = [], []
    for middle, limit in ((center[1], height), (center[0], width)):
        first = middle - side // 2
        low, high = max(first, 0), max(min(first + side, limit), 0)
        window.append(slice(low, high))
        part.append(slice(low - first, max(high - first, 0)))
    return tuple(window), tuple(part)


@lru_cache(maxsize=256)
def shape_distance(shape: str, extent: int, rotation: int) -> np.ndarray:
    """Signed distance of pixel centres to a shape's outline, negative inside.

    Returns:
        float (side, side) in pixels, read-only; `side` is even and the shape's centre is in the middle.
    """
    radius = ceil(0.75 * extent) + 2  # a turned square reaches 0.71 of its side; the rest is room for soft edges
    points = np.arange(-radius, radius) + 0.5
    x, y = points[None, :], points[:, None]
    if shape == 'circle':
        distance = np.sqrt(x * x + y * y) - extent / 2
    else:
        distance = _polygon_distance(x, y, _corners(shape, extent, rotation))
    distance.flags.writeable = False
    return distance


def _polygon_distance(x: np.ndarray, y: np.ndarray, corners: list[tuple[float, float]]) -> np.ndarray:
    """Distance to the nearest side; negative where a ray to the right crosses an odd number of sides."""
    squared, inside = np.inf, False
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        side_x, side_y = x1 - x0, y1 - y0
        from_x, from_y = x - x0, y - y0
        along = np.clip((from_x * side_x + from_y * side_y) / (side_x * side_x + side_y * side_y), 0, 1)
        off_x, off_y = from_x - along * side_x, from_y - along * side_y
        squared = np.minimum(squared, off_x * off_x + off_y * off_y)
        left_of_side = (from_x * side_y < from_y * side_x) == (side_y > 0)
        inside = inside ^ (((y0 > y) != (y1 > y)) & left_of_side)
    return np.where(inside, -1, 1) * np.sqrt(squared)


def _corners(shape: str, extent: int, rotation: int) -> list[tuple[float, float]]:
    """Corners of a polygon around (0, 0), turned clockwise, rounded to 1/64 pixel."""
    turn_cos, turn_sin = cos(radians(rotation)) * extent * 64, sin(radians(rotation)) * extent * 64
    return [(round(x * turn_cos - y * turn_sin) / 64, round(x * turn_sin + y * turn_cos) / 64)
            for x, y in _UNIT_CORNERS[shape]]


def _ring(count: int, inner: float | None = None) -> list[tuple[float, float]]:
    """A regular polygon with a corner on top, or a star whose inner corners lie at `inner` of the outer radius."""
    radii = [1.0] * count if inner is None else [1.0, inner] * count
    step = 2 * pi / len(radii)
    return [(radius * sin(i * step), -radius * cos(i * step)) for i, radius in enumerate(radii)]


def _unit(corners: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Centre the bounding box on (0, 0) and make its longer side 1."""
    lows, highs = [min(axis) for axis in zip(*corners)], [max(axis) for axis in zip(*corners)]
    longer = max(high - low for low, high in zip(lows, highs))
    return [tuple((value - (low + high) / 2) / longer for value, low, high in zip(corner, lows, highs))
            for corner in corners]


_CROSS = [(1, 0), (2, 0), (2, 1), (3, 1), (3, 2), (2, 2), (2, 3), (1, 3), (1, 2), (0, 2), (0, 1), (1, 1)]
_UNIT_CORNERS = {
    'square': _unit([(0, 0), (1, 0), (1, 1), (0, 1)]),
    'triangle': _unit(_ring(3)),
    'star': _unit(_ring(5, inner=0.42)),
    'cross': _unit(_CROSS),
    'pentagon': _unit(_ring(5)),
}
