"""What the labels of the training and validation images are like: how many, of which class, how large and where."""
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure as Canvas
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import BaseDataset

from ..dictionary.sources.image_set import plain_data_sets
from ..extras import import_extra
from ..visualization.style import BLUE, GREY, INK, LARGE, NORMAL, ORANGE, SEQUENTIAL, SMALL, plain, save, shorten, tidy
from .section import Figure, Section, Table

MOST_CLASSES = 40  # in the figure; the table has all
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


def labels_section(cfg: Config, folder: Path) -> Section | None:
    """Statistics of the training and the validation set of a config; None if it has neither.

    Raises:
        OSError, ValueError: An annotation file is missing or wrong.
    """
    sets = [read_labels(cfg, split, name) for split, name in dict(train='training', val='validation').items()]
    sets = [labels for labels in sets if len(labels.per_image)]
    if not sets:
        return None
    figures = [_sizes(sets, folder), _boxes_per_image(sets, folder), _positions(sets, folder)]
    if len(sets[0].classes) > 1:
        figures.insert(0, _classes(sets, folder))
    header = ('set', 'images', 'boxes', 'images without a box', 'crowds', 'boxes per image', 'median side, px',
              f'boxes under {SMALL_SIDE} px', f'boxes over {LARGE_SIDE} px')
    tables = [Table('Data sets', header, [labels.row() for labels in sets])]
    if len(sets[0].classes) > 1:
        tables.append(_class_table(sets))
    return Section('labels', 'The labels', 'What the annotation files hold, before any augmentation. The side of a box '
                   'is the square root of its area, in pixels of the file of the image.', figures, tables)


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


def _class_table(sets: list[Labels]) -> Table:
    names = [labels.name for labels in sets]
    header = ['class', *(f'{name} boxes' for name in names), *(f'{name}, median side' for name in names)]
    rows = []
    for index, name in enumerate(sets[0].classes):
        sides = [labels.sides[labels.labels == index] for labels in sets]
        rows.append([name, *map(len, sides), *(float(np.median(side)) if len(side) else None for side in sides)])
    return Table('Boxes per class', header, rows)


def _classes(sets: list[Labels], folder: Path) -> Figure:
    counts = [np.bincount(labels.labels, minlength=len(sets[0].classes)) for labels in sets]
    order = np.argsort(-counts[0], kind='stable')[:MOST_CLASSES]
    canvas = Canvas((7.6, 0.9 + 0.26 * len(order)), layout='constrained')
    axes = tidy(canvas.subplots())
    thickness = 0.8 / len(sets)
    for number, (labels, count) in enumerate(zip(sets, counts, strict=True)):
        places_on_axis = np.arange(len(order)) + (number - (len(sets) - 1) / 2) * thickness
        bars = axes.barh(places_on_axis, count[order], thickness, color=(BLUE, ORANGE)[number], label=labels.name)
        axes.bar_label(bars, fmt='{:,.0f}', padding=2, fontsize=SMALL, color=INK)
    names = [shorten(sets[0].classes[index], 30) for index in order]
    axes.set_yticks(range(len(order)), names, parse_math=False)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.legend(fontsize=NORMAL, frameon=False, loc='lower right')
    axes.set_xlabel('boxes', fontsize=NORMAL, color=INK)
    few = [sets[0].classes[index] for index in np.flatnonzero(counts[0] == 0)]
    rest = len(sets[0].classes) - len(order)
    return Figure(
        save(canvas, folder / 'classes.png'), 'Boxes per class',
        f'The commonest {sets[0].name} class is {sets[0].classes[order[0]]}, with {counts[0].max():,} boxes.' +
        (f' {len(few)} classes have none: {", ".join(few[:5])}{", ..." if len(few) > 5 else ""}.' if few else '') +
        (f' The {rest} rarest classes are in the table only.' if rest else ''))


def _sizes(sets: list[Labels], folder: Path) -> Figure:
    seaborn = import_extra('seaborn', 'report')
    canvas = Canvas((7.6, 3.4), layout='constrained')
    axes = tidy(canvas.subplots())
    for labels, color in zip(sets, (BLUE, ORANGE)):
        sides = labels.sides
        if (sides > 0).any():
            seaborn.histplot(x=sides[sides > 0], ax=axes, bins=40, stat='percent', log_scale=(2, False), color=color,
                             element='step', alpha=0.35, label=labels.name)
    low, high = axes.get_xlim()
    for side in (SMALL_SIDE, LARGE_SIDE):
        if low < side < high:
            axes.axvline(side, color=GREY, linewidth=0.8, linestyle='--')
    axes.xaxis.set_major_formatter('{x:.0f}')
    axes.set_xlabel('side of a box, pixels', fontsize=NORMAL, color=INK)
    axes.set_ylabel('% of the boxes', fontsize=NORMAL, color=INK)
    axes.legend(fontsize=NORMAL, frameon=False)
    return Figure(save(canvas, folder / 'sizes.png'), 'Sizes of the boxes',
                  f'Below {SMALL_SIDE} pixels COCO calls a box small, above {LARGE_SIDE} large.')


def _boxes_per_image(sets: list[Labels], folder: Path) -> Figure:
    seaborn = import_extra('seaborn', 'report')
    canvas = Canvas((7.6, 3.4), layout='constrained')
    axes = tidy(canvas.subplots())
    most = max(int(labels.per_image.max()) for labels in sets)
    bins = np.arange(-0.5, most + 1.5) if most <= 60 else 40
    for labels, color in zip(sets, (BLUE, ORANGE)):
        seaborn.histplot(x=labels.per_image, ax=axes, bins=bins, stat='percent', color=color, element='step',
                         alpha=0.35, label=labels.name)
    axes.set_xlabel('boxes of an image', fontsize=NORMAL, color=INK)
    axes.set_ylabel('% of the images', fontsize=NORMAL, color=INK)
    axes.legend(fontsize=NORMAL, frameon=False)
    empty = ', '.join(f'{int((labels.per_image == 0).sum()):,} of {len(labels.per_image):,} {labels.name} images'
                      for labels in sets)
    return Figure(save(canvas, folder / 'boxes_per_image.png'), 'Boxes per image', f'Without a box: {empty}.')


def _positions(sets: list[Labels], folder: Path) -> Figure:
    canvas = Canvas((3.9 * len(sets), 3.9), layout='constrained')
    for axes, labels in zip(canvas.subplots(1, len(sets), squeeze=False).flat, sets):
        share = coverage(labels)
        drawn = axes.imshow(share, cmap=SEQUENTIAL, vmin=0, extent=(0, 1, 1, 0), interpolation='nearest')
        plain(axes).set_title(labels.name, fontsize=LARGE, color=INK, loc='left')
        bar = canvas.colorbar(drawn, ax=axes, shrink=0.75)
        bar.ax.tick_params(labelsize=SMALL)
        bar.set_label('boxes on it, % of all', fontsize=SMALL, color=INK)
    return Figure(save(canvas, folder / 'positions.png'), 'Where the boxes are',
                  'Each image is stretched to a square; the brighter a place, the more boxes cover it.')


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
