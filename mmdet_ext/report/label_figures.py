"""Figures of labels: boxes per class, their sizes, how many an image has, and where they are."""
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure as Canvas

from ..extras import import_extra
from ..lettering import font_for
from ..visualization.style import BLUE, GREY, INK, ORANGE, SEQUENTIAL, plain, save, shorten, tidy
from .label_sets import LARGE_SIDE, SMALL_SIDE, Labels, coverage
from .plotting import LETTERS, SMALL_LETTERS, WIDTH
from .section import Figure
from .training_curves import HEIGHT

MOST_CLASSES = 40  # in the figure; the table has all


def draw_classes(sets: Sequence[Labels], folder: Path) -> Figure:
    counts = [np.bincount(labels.labels, minlength=len(sets[0].classes)) for labels in sets]
    order = np.argsort(-counts[0], kind='stable')[:MOST_CLASSES]
    canvas = Canvas((WIDTH, max(HEIGHT, 0.9 + 0.26 * len(order))), layout='constrained')
    axes = tidy(canvas.subplots(), SMALL_LETTERS)
    thickness = 0.8 / len(sets)
    for number, (labels, count) in enumerate(zip(sets, counts, strict=True)):
        places_on_axis = np.arange(len(order)) + (number - (len(sets) - 1) / 2) * thickness
        bars = axes.barh(places_on_axis, count[order], thickness, color=(BLUE, ORANGE)[number], label=labels.name)
        axes.bar_label(bars, fmt='{:,.0f}', padding=2, fontsize=SMALL_LETTERS, color=INK)
    font = font_for(sets[0].classes)
    axes.set_yticks(range(len(order)), [shorten(sets[0].classes[index], 18) for index in order], parse_math=False,
                    font=Path(font), fontsize=SMALL_LETTERS)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    canvas.legend(fontsize=SMALL_LETTERS, frameon=False, loc='outside upper right', ncols=len(sets))
    axes.set_xlabel('boxes', fontsize=SMALL_LETTERS, color=INK)
    few = [sets[0].classes[index] for index in np.flatnonzero(counts[0] == 0)]
    rest = len(sets[0].classes) - len(order)
    return Figure(
        save(canvas, folder / 'classes.png'), 'Boxes per class',
        f'The commonest {sets[0].name} class is {sets[0].classes[order[0]]}, with {counts[0].max():,} boxes.' +
        (f' {len(few)} classes have none: {", ".join(few[:5])}{", ..." if len(few) > 5 else ""}.' if few else '') +
        (f' The {rest} rarest classes are in the table only.' if rest else ''))


def draw_sizes(sets: Sequence[Labels], folder: Path) -> Figure:
    seaborn = import_extra('seaborn', 'report')
    canvas = Canvas((WIDTH, HEIGHT), layout='constrained')
    axes = tidy(canvas.subplots(), SMALL_LETTERS)
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
    axes.set_xlabel('side of a box, pixels', fontsize=SMALL_LETTERS, color=INK)
    axes.set_ylabel('% of the boxes', fontsize=SMALL_LETTERS, color=INK)
    axes.legend(fontsize=SMALL_LETTERS, frameon=False)
    return Figure(save(canvas, folder / 'sizes.png'), 'Sizes of the boxes',
                  f'Below {SMALL_SIDE} pixels COCO calls a box small, above {LARGE_SIDE} large.')


def draw_boxes_per_image(sets: Sequence[Labels], folder: Path) -> Figure:
    seaborn = import_extra('seaborn', 'report')
    canvas = Canvas((WIDTH, HEIGHT), layout='constrained')
    axes = tidy(canvas.subplots(), SMALL_LETTERS)
    most = max(int(labels.per_image.max()) for labels in sets)
    bins = np.arange(-0.5, most + 1.5) if most <= 60 else 40
    for labels, color in zip(sets, (BLUE, ORANGE)):
        seaborn.histplot(x=labels.per_image, ax=axes, bins=bins, stat='percent', color=color, element='step',
                         alpha=0.35, label=labels.name)
    axes.set_xlabel('boxes of an image', fontsize=SMALL_LETTERS, color=INK)
    axes.set_ylabel('% of the images', fontsize=SMALL_LETTERS, color=INK)
    axes.legend(fontsize=SMALL_LETTERS, frameon=False)
    empty = ', '.join(f'{int((labels.per_image == 0).sum()):,} of {len(labels.per_image):,} {labels.name} images'
                      for labels in sets)
    return Figure(save(canvas, folder / 'boxes_per_image.png'), 'Boxes per image', f'Without a box: {empty}.')


def draw_positions(sets: Sequence[Labels], folder: Path) -> Figure:
    canvas = Canvas((WIDTH, HEIGHT), layout='constrained')
    for axes, labels in zip(canvas.subplots(1, len(sets), squeeze=False).flat, sets):
        share = coverage(labels)
        drawn = axes.imshow(share, cmap=SEQUENTIAL, vmin=0, extent=(0, 1, 1, 0), interpolation='nearest')
        plain(axes).set_title(labels.name, fontsize=LETTERS, color=INK, loc='left')
        bar = canvas.colorbar(drawn, ax=axes, shrink=0.75)
        bar.ax.tick_params(labelsize=SMALL_LETTERS)
        bar.set_label('boxes on it, % of all', fontsize=SMALL_LETTERS, color=INK)
    return Figure(save(canvas, folder / 'positions.png'), 'Where the boxes are',
                  'Each image is stretched to a square; the brighter a place, the more boxes cover it.')
