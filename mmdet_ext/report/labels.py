"""What the labels of the training and validation images are like: how many, of which class, how large and where."""
from pathlib import Path

import numpy as np
from mmengine.config import Config

from .label_figures import draw_boxes_per_image, draw_classes, draw_positions, draw_sizes
from .label_sets import LARGE_SIDE, SMALL_SIDE, Labels, read_labels
from .section import Section, Table


def labels_section(cfg: Config, folder: Path) -> Section | None:
    """Statistics of the training and the validation set of a config; None if it has neither.

    Raises:
        OSError, ValueError: An annotation file is missing or wrong.
    """
    sets = [read_labels(cfg, split, name) for split, name in dict(train='training', val='validation').items()]
    sets = [labels for labels in sets if len(labels.per_image)]
    if not sets:
        return None
    figures = [draw_sizes(sets, folder), draw_boxes_per_image(sets, folder), draw_positions(sets, folder)]
    if len(sets[0].classes) > 1:
        figures.insert(0, draw_classes(sets, folder))
    header = ('set', 'images', 'boxes', 'images without a box', 'crowds', 'boxes per image', 'median side, px',
              f'boxes under {SMALL_SIDE} px', f'boxes over {LARGE_SIDE} px')
    tables = [Table('Data sets', header, [labels.row() for labels in sets])]
    if len(sets[0].classes) > 1:
        tables.append(_class_table(sets))
    return Section('labels', 'The labels', 'What the annotation files hold, before any augmentation. The side of a box '
                   'is the square root of its area, in pixels of the file of the image.', figures, tables)


def _class_table(sets: list[Labels]) -> Table:
    names = [labels.name for labels in sets]
    header = ['class', *(f'{name} boxes' for name in names), *(f'{name}, median side' for name in names)]
    rows = []
    for index, name in enumerate(sets[0].classes):
        sides = [labels.sides[labels.labels == index] for labels in sets]
        rows.append([name, *map(len, sides), *(float(np.median(side)) if len(side) else None for side in sides)])
    return Table('Boxes per class', header, rows)
