"""Sources whose items are images: reading them, some of which may be broken, and drawing positions of their maps."""
import struct
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from torch import Tensor

from mmdet_ext.cell_grid import CellGrid

from .base import Samples, Source
from .image_set import ImageSet

# what Pillow, OpenCV and mmcv raise at files that are no images, or parts of one
READ_ERRORS = (OSError, SyntaxError, ValueError, EOFError, AssertionError, struct.error, cv2.error,
               Image.DecompressionBombError)
NO_BOXES = np.empty((0, 4), np.float32)


class ImageSource(Source):
    """Features at positions of the maps of images: `per_item` positions of each image, drawn without replacement.

    Args:
        images: The images.
        per_image: Positions per image; all if there are fewer.
        inside: Share of them, 0 to 1, whose centre lies in an annotated box, where the image has such; ValueError if
            there are no annotations.
        batch_size: Images to compute at a time.
        seed: With the number of the image it decides which positions.
    """

    def __init__(self, images: ImageSet, *, per_image: int, inside: float = 0., batch_size: int = 8,
                 seed: int = 0) -> None:
        if per_image < 1:
            raise ValueError(f'per_image should be at least 1, got {per_image}')
        if not 0 <= inside <= 1:
            raise ValueError(f'inside should be a share from 0 to 1, got {inside}')
        if inside and images.boxes is None:
            raise ValueError(f'inside={inside} needs boxes, and images={Path(images.paths[0]).parent} alone has none: '
                             'add ann=FILE')
        self.images, self.per_item, self.inside, self.batch_size = images, per_image, inside, batch_size
        self.num_items, self.seed = len(images.paths), seed
        self.fingerprint = dict(per_image=per_image, inside=inside, batch_size=batch_size, seed=seed,
                                images=images.digest())

    @abstractmethod
    def load(self, path: str) -> Any:
        """Read an image; one of `READ_ERRORS` if it is broken."""

    @abstractmethod
    def maps(self, loaded: list[Any]) -> list[tuple[Tensor, CellGrid]]:
        """The feature map (C, rows, columns) of each loaded image, and where its cells lie on the image."""

    def compute(self, items: Sequence[int]) -> Samples:
        loaded, skipped = {}, []
        for item in items:
            try:
                loaded[item] = self.load(self.images.paths[item])
            except READ_ERRORS as error:
                skipped.append(_skip_line(self.images.paths[item], error))
        features, owners, boxes = [np.empty((0, self.width), np.float32)], [], [NO_BOXES]
        for (item, _), (feature, grid) in zip(loaded.items(), self.maps(list(loaded.values())) if loaded else (),
                                                strict=True):
            objects = NO_BOXES if self.images.boxes is None else self.images.boxes[item]
            cells, areas = draw_cells(grid, self.per_item, np.random.default_rng([self.seed, item]), objects=objects,
                                      inside=self.inside)
            if not len(cells):
                skipped.append(f'{self.images.paths[item]}: too narrow, no position has its centre in it')
            features.append(feature.flatten(1)[:, cells].T.float().cpu().numpy())
            owners += [item] * len(cells)
            boxes.append(areas)
        return Samples(np.concatenate(features), np.array(owners, np.int64), np.concatenate(boxes), skipped)

    def describe(self, item: int, box: np.ndarray) -> dict[str, Any]:
        return dict(image=self.images.paths[item], box=[float(side) for side in box])


def draw_cells(grid: CellGrid, count: int, rng: np.random.Generator, *, objects: np.ndarray = NO_BOXES,
               inside: float = 0.) -> tuple[np.ndarray, np.ndarray]:
    """Draw cells of a map without replacement among those whose centre lies in the image.

    Args:
        grid: Of the map.
        count: How many; all if there are fewer.
        rng: Decides which.
        objects: (b, 4), x1, y1, x2, y2 in pixels of the image.
        inside: Share of cells that are drawn among those whose centre lies in one of `objects`, if there are as many.

    Returns:
        (n, ) int64, row * columns + column of each cell, and (n, 4) float32, its box in pixels of the image, clipped.
    """
    areas, (height, width) = grid.areas().flatten(0, 1).numpy(), grid.size
    within = np.flatnonzero(grid.inside().numpy())
    chosen = np.empty(0, np.int64)
    if inside and len(objects):
        centres = (areas[within, None, :2] + areas[within, None, 2:]) / 2
        on_object = within[((centres >= objects[:, :2]) & (centres < objects[:, 2:])).all(axis=2).any(axis=1)]
        chosen = rng.choice(on_object, min(round(inside * count), len(on_object)), replace=False)
    others = np.setdiff1d(within, chosen)
    chosen = np.concatenate([chosen, rng.choice(others, min(count - len(chosen), len(others)), replace=False)])
    return chosen, areas[chosen].clip(0, [width, height] * 2).astype(np.float32)


def _skip_line(path: str, error: Exception) -> str:
    reason = getattr(error, 'strerror', None) or str(error).replace(f' {path!r}', '') or type(error).__name__
    return f'{path}: {" ".join(reason.split())}'
