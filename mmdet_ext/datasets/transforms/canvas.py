"""The image of a mosaic, of which only the region that is needed is drawn."""
from typing import NamedTuple
from collections.abc import Sequence

import cv2
import numpy as np

Region = tuple[int, int, int, int]  # x1, y1, x2, y2 in pixels of the canvas, the last two not included


class Tile(NamedTuple):
    """An image (H, W, 3), and the position of its first pixel, which may be outside the canvas."""
    img: np.ndarray
    left: int
    top: int


class Canvas:
    """An image (side, side, 3), uint8, made of tiles that do not overlap, and of pasted mirror images of instances.

    `YOLOCopyPaste` and `YOLOAffine` take it in place of an array; `np.asarray(canvas)` is the whole image.
    """
    dtype, ndim = np.dtype(np.uint8), 3

    def __init__(self, tiles: Sequence[Tile], side: int, pad_value: int) -> None:
        self.tiles = list(tiles)
        self.shape = (side, side, 3)
        self.pad_value = pad_value
        self.outlines: list[np.ndarray] = []

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        return self.draw((0, 0, *self.shape[1::-1])).astype(dtype or np.uint8, copy=False)

    def paste_mirrored(self, polygons: np.ndarray) -> None:
        """Inside the polygons (N, P, 2), in pixels, show the mirror image of the canvas without pasted instances."""
        self.outlines += list(polygons.astype(np.int32))

    def draw(self, region: Region) -> np.ndarray:
        """The image (side, side, 3), drawn inside the region only: pixels outside of it have arbitrary values."""
        image = np.empty(self.shape, np.uint8)
        x1, y1, x2, y2 = region
        self._draw_tiles(image[y1:y2, x1:x2], x1, y1)
        for polygon in self.outlines:
            self._draw_mirrored(image, polygon, region)
        return image

    def _draw_tiles(self, part: np.ndarray, left: int, top: int) -> None:
        """Draw the pixels of `part`, whose first pixel is at (left, top) of the canvas."""
        height, width = part.shape[:2]
        free = height * width
        boxes = []
        for tile in self.tiles:
            x1, y1 = max(tile.left - left, 0), max(tile.top - top, 0)
            x2, y2 = (min(tile.left - left + tile.img.shape[1], width), min(tile.top - top + tile.img.shape[0], height))
            if x1 < x2 and y1 < y2:
                boxes.append((tile, x1, y1, x2, y2))
                free -= (x2 - x1) * (y2 - y1)
        if free:
            part[:] = self.pad_value
        for tile, x1, y1, x2, y2 in boxes:
            x, y = left - tile.left, top - tile.top
            part[y1:y2, x1:x2] = tile.img[y1 + y:y2 + y, x1 + x:x2 + x]

    def _draw_mirrored(self, image: np.ndarray, polygon: np.ndarray, region: Region) -> None:
        width = self.shape[1]
        x1, y1, x2, y2 = polygon_extent(polygon, self.shape)
        left, top = max(x1, region[0]), max(y1, region[1])
        right, bottom = min(x2, region[2]), min(y2, region[3])
        if left >= right or top >= bottom:
            return
        inside = fill(polygon, (x1, y1, x2, y2))[top - y1:bottom - y1, left - x1:right - x1]
        source = np.empty((bottom - top, right - left, 3), np.uint8)
        self._draw_tiles(source, width - right, top)
        np.copyto(image[top:bottom, left:right], source[:, ::-1], where=inside[..., None])


def polygon_extent(polygon: np.ndarray, shape: Sequence[int]) -> Region:
    """The box around a polygon (P, 2) of whole pixels, clipped to an image of the shape (H, W, ...)."""
    x1, y1 = polygon.min(axis=0).clip(0).tolist()
    x2, y2 = np.minimum(polygon.max(axis=0) + 1, shape[1::-1]).tolist()
    return x1, y1, x2, y2


def fill(polygon: np.ndarray, region: Region) -> np.ndarray:
    """Which pixels of a region lie in a polygon (P, 2), int32: bool (h, w)."""
    x1, y1, x2, y2 = region
    mask = np.zeros((y2 - y1, x2 - x1), np.uint8)
    cv2.fillPoly(mask, [polygon - np.int32([x1, y1])], 1)
    return mask.view(bool)
