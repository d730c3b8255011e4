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

from .base import Samples, Source
from .cells import Layout, draw_cells
from .image_set import ImageSet

# what Pillow, OpenCV and mmcv raise at files that are no images, or parts of one
READ_ERRORS = (OSError, SyntaxError, ValueError, EOFError, AssertionError, struct.error, cv2.error,
               Image.DecompressionBombError)


class ImageSource(Source):
    """Features at positions of the maps of images: `per_item` positions of each image, drawn without replacement.

    Args:
        images: The images.
        per_image: Positions per image; all if there are fewer.
        inside: Share of them, 0 to 1, whose centre lies in an annotated box, where the image has such.
        batch_size: Images to compute at a time.
        seed: With the number of the image it decides which positions.

    Raises:
        ValueError: If a number is out of range, or `inside` has no boxes.
    """

    def __init__(self, images: ImageSet, *, per_image: int, inside: float = 0., batch_size: int, seed: int) -> None:
        if per_image < 1:
            raise ValueError(f'per_image should be at least 1, got {per_image}')
        if not 0 <= inside <= 1:
            raise ValueError(f'inside should be a share from 0 to 1, got {inside}')
        if inside and not images.annotated:
            raise ValueError(f'inside={inside} needs boxes, and images={Path(images.paths[0]).parent} alone has none: '
                             'add ann=FILE')
        self.images, self.per_item, self.inside, self.batch_size = images, per_image, inside, batch_size
        self.num_items, self.seed = len(images), seed

    @abstractmethod
    def load(self, path: str) -> Any:
        """Read an image; one of `READ_ERRORS` if it is broken."""

    @abstractmethod
    def maps(self, loaded: list[Any]) -> list[tuple[Tensor, Layout]]:
        """The feature map (C, rows, columns) of each loaded image, and how it lies over the image."""

    def compute(self, items: Sequence[int]) -> Samples:
        loaded, skipped = {}, []
        for item in items:
            try:
                loaded[item] = self.load(self.images.paths[item])
            except READ_ERRORS as error:
                skipped.append(_skip_line(self.images.paths[item], error))
        maps = self.maps(list(loaded.values())) if loaded else []
        parts = [self._sample(item, *pair) for item, pair in zip(loaded, maps, strict=True)]
        return Samples.join(parts, self.width, skipped)

    def _sample(self, item: int, feature: Tensor, layout: Layout) -> Samples:
        cells = draw_cells(layout, self.per_item, np.random.default_rng([self.seed, item]),
                           objects=self.images.boxes(item), inside=self.inside)
        features = feature[:, cells.rows, cells.columns].T.float().cpu().numpy()
        skipped = [] if len(features) else [f'{self.images.paths[item]}: too narrow, no position has its centre in it']
        return Samples(features, np.full(len(features), item, np.int64), cells.boxes, skipped)

    def describe(self, item: int, box: np.ndarray) -> dict[str, Any]:
        return dict(image=self.images.paths[item], box=[float(side) for side in box])


def check_whole(path: str | Path) -> None:
    """Raise one of `READ_ERRORS` unless the file is a whole image.

    Some releases of OpenCV fill up what a truncated JPEG lacks. Decoding it at an eighth of its size, the least that
    JPEG allows, reads all of the file and takes a fraction of the time.
    """
    with Image.open(path) as image:
        image.draft(None, (1, 1))
        image.load()


def _skip_line(path: str, error: Exception) -> str:
    reason = getattr(error, 'strerror', None) or str(error).replace(f' {path!r}', '') or type(error).__name__
    return f'{path}: {" ".join(reason.split())}'
