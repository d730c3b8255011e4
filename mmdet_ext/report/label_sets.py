"""The boxes in the data sets of a config, as their annotation files hold them."""
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import BaseDataset

from ..dictionary.sources.image_set import plain_data_sets

CELLS = 40  # of the map of positions, on each side
SMALL_SIDE, LARGE_SIDE = 32, 96  # pixels, as COCO has them


@dataclass(frozen=True)
class Labels:
    """The boxes of a data set.

    Attributes:
        name: 'training' or 'validation'.
        classes: Names of the classes.
        labels: (N,) int64, class of each box.
        boxes: (N, 4) float64, (x1, y1, x2, y2) in pixels.
        sizes: (N, 2) float64, (width, height) of the image of each box.
        per_image: (M,) int64, boxes of each image.
        crowds: Boxes that are not counted because they are ignored in training or evaluation.
    """
    name: str
    classes: tuple[str, ...]
    labels: np.ndarray
    boxes: np.ndarray
    sizes: np.ndarray
    per_image: np.ndarray
    crowds: int

    @property
    def sides(self) -> np.ndarray:
        """(N,) square root of the area of each box, in pixels."""
        return np.sqrt(((self.boxes[:, 2:] - self.boxes[:, :2]).clip(0)).prod(axis=1))

    def row(self) -> list[str | int | float | None]:
        """A row of the table of data sets."""
        images, sides = len(self.per_image), self.sides
        return [self.name, images, len(self.labels), int((self.per_image == 0).sum()), self.crowds,
                len(self.labels) / images if images else None, float(np.median(sides)) if len(sides) else None,
                int((sides < SMALL_SIDE).sum()), int((sides > LARGE_SIDE).sum())]


def read_labels(cfg: Config, split: str, name: str) -> Labels:
    """The labels of the data sets of 'train', 'val' or 'test', in whatever they are wrapped; none where there is none.
    """
    labels, boxes, sizes, per_image, crowds, classes = [], [], [], [], 0, ()
    for options in plain_data_sets(cfg, split):
        part = _all_images(options)
        classes = tuple(part.metainfo.get('classes') or classes)
        for info in map(part.get_data_info, range(len(part))):
            counted = [row for row in info.get('instances', ()) if not row.get('ignore_flag')]
            crowds += len(info.get('instances', ())) - len(counted)
            per_image.append(len(counted))
            labels += [row['bbox_label'] for row in counted]
            boxes += [row['bbox'] for row in counted]
            sizes += [(info.get('width', np.nan), info.get('height', np.nan))] * len(counted)
    return Labels(name, classes, np.array(labels, dtype=np.int64), np.array(boxes, dtype=float).reshape(-1, 4),
                  np.array(sizes, dtype=float).reshape(-1, 2), np.array(per_image, dtype=np.int64), crowds)


def _all_images(options: Mapping) -> BaseDataset:
    """A data set with all its images and without its pipeline."""
    options = {key: value for key, value in options.items() if key not in ('filter_cfg', 'batch_shapes')}
    dataset = DATASETS.build(dict(options, pipeline=[], lazy_init=True))
    dataset.full_init()
    return dataset


def coverage(labels: Labels) -> np.ndarray:
    """(CELLS, CELLS) percent of the boxes that cover the middle of each cell of an image stretched to a square."""
    known = np.isfinite(labels.sizes).all(axis=1) & (labels.sizes > 0).all(axis=1)
    scale = np.tile(labels.sizes[known], 2)
    x1, y1, x2, y2 = (labels.boxes[known] / scale * CELLS - 0.5).T  # the middle of cell i is at i
    ends = [np.clip(np.ceil(side), 0, CELLS).astype(int) for side in (x1, y1, x2, y2)]
    steps = np.zeros((CELLS + 1, CELLS + 1))
    for rows, columns, sign in ((1, 0, 1), (3, 2, 1), (1, 2, -1), (3, 0, -1)):
        np.add.at(steps, (ends[rows], ends[columns]), sign)
    return 100 * steps.cumsum(axis=0).cumsum(axis=1)[:CELLS, :CELLS] / max(1, known.sum())
