"""Which positions of a feature map are sampled, and which part of the image each stands for."""
from typing import NamedTuple

import numpy as np

NO_BOXES = np.empty((0, 4), np.float32)


class Cells(NamedTuple):
    """Positions of a feature map.

    Attributes:
        rows: (n, ) int64.
        columns: (n, ) int64.
        boxes: (n, 4) float32, x1, y1, x2, y2 in pixels of the image, clipped to it: the area of each cell.
    """
    rows: np.ndarray
    columns: np.ndarray
    boxes: np.ndarray


class Layout(NamedTuple):
    """Where an image lies under a feature map; the map is laid over the input of the network from its corner on.

    Attributes:
        grid: (rows, columns) of the map.
        cell: (height, width) of a position of it in pixels of the input.
        outline: x1, y1, x2, y2 of the whole image in pixels of the input; what is outside is padding.
        size: (width, height) of the image in its own pixels.
    """
    grid: tuple[int, int]
    cell: tuple[float, float]
    outline: tuple[float, float, float, float]
    size: tuple[int, int]

    def areas(self) -> np.ndarray:
        """(rows * columns, 4), x1, y1, x2, y2 of each cell in pixels of the image, row by row, not clipped."""
        left, top, right, bottom = self.outline
        x = (np.arange(self.grid[1] + 1) * self.cell[1] - left) * (self.size[0] / (right - left))
        y = (np.arange(self.grid[0] + 1) * self.cell[0] - top) * (self.size[1] / (bottom - top))
        y1, x1 = np.meshgrid(y[:-1], x[:-1], indexing='ij')
        y2, x2 = np.meshgrid(y[1:], x[1:], indexing='ij')
        return np.stack([x1, y1, x2, y2], axis=-1).reshape(-1, 4)


def draw_cells(layout: Layout, per_image: int, rng: np.random.Generator, *, objects: np.ndarray = NO_BOXES,
               inside: float = 0.) -> Cells:
    """Draw positions without replacement among those whose centre lies in the image.

    Args:
        layout: Of the map over the image.
        per_image: How many; all if there are fewer.
        rng: Decides which.
        objects: (b, 4), x1, y1, x2, y2 in pixels of the image.
        inside: The share of positions that are drawn among those whose centre lies in one of `objects`. Where there are
            fewer, the others take their place.
    """
    areas = layout.areas()
    centres = (areas[:, :2] + areas[:, 2:]) / 2
    within = np.flatnonzero(((centres >= 0) & (centres < layout.size)).all(axis=1))
    chosen = np.empty(0, np.int64)
    if inside and len(objects):
        on_object = within[_in_any(centres[within], objects)]
        chosen = rng.choice(on_object, min(round(inside * per_image), len(on_object)), replace=False)
    others = np.setdiff1d(within, chosen)
    chosen = np.concatenate([chosen, rng.choice(others, min(per_image - len(chosen), len(others)), replace=False)])
    boxes = areas[chosen].clip(0, np.tile(layout.size, 2)).astype(np.float32)
    return Cells(chosen // layout.grid[1], chosen % layout.grid[1], boxes)


def _in_any(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(p, 2), (b, 4) -> (p, ) bool."""
    low, high = boxes[:, :2], boxes[:, 2:]
    return ((points[:, None] >= low) & (points[:, None] < high)).all(axis=2).any(axis=1)
