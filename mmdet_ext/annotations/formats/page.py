"""The check of a data set on one page: what was read, how much there is of what, what is wrong, what was left out."""
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from tabulate import tabulate

from ...files import replace_file
from .records import LEFT_OUT, Labels, Problems
from .write import CheckedImage

_ROWS = 20  # of classes in a column of the table
_COLUMNS = 4
_SIZES = (('small', 32**2), ('medium', 96**2), ('large', float('inf')))  # areas in pixels, as COCO has them
_WIDTH = 118


def write_page(path: Path, labels: Labels, root: Path, classes: Sequence[str], sets: dict[str, list[CheckedImage]],
               how: str, problems: Problems) -> str:
    """Write the page as a text of about 60 lines or fewer, and return it."""
    sections = [
        [_shorten(f'Format: {labels.format} ({labels.detail}) in {root}', 400)],
        [f'Sets: {how}.', *_table_of_sets(sets)],
        [f'Boxes per class ({len(classes)}):', *_table_of_classes(classes, sets)],
        _sizes(sets),
        _problems(problems, path.with_name('problems.csv')),
    ]
    text = '\n\n'.join('\n'.join(section) for section in sections if section) + '\n'
    with replace_file(path) as file:
        file.write(text.encode('utf-8', 'surrogateescape'))
    return text


def _table_of_sets(sets: dict[str, list[CheckedImage]]) -> list[str]:
    rows = []
    for name, images in sets.items():
        boxes = [len(image.boxes) for image in images]
        row = [name, len(images), sum(boxes), boxes.count(0), sum(not image.has_labels for image in images)]
        rows.append([*row, f'{np.mean(boxes):.1f}', max(boxes)])
    head = ['set', 'images', 'boxes', 'without boxes', 'no label file', 'boxes per image', 'most']
    if any(image.caption is not None for images in sets.values() for image in images):
        head[1] = 'captions'
    if not any(row[4] for row in rows):
        rows, head = [[*row[:4], *row[5:]] for row in rows], [*head[:4], *head[5:]]
    return tabulate(rows, head, tablefmt='simple').splitlines()


def _table_of_classes(classes: Sequence[str], sets: dict[str, list[CheckedImage]]) -> list[str]:
    """Names and numbers of boxes in each set; many classes stand in several columns, and the rest is only counted."""
    counts = {name: Counter(box.label for image in images for box in image.boxes) for name, images in sets.items()}
    rows = [[_shorten(name, 22), *(counts[split][name] for split in sets)] for name in classes]
    shown = rows[:_ROWS * _COLUMNS]
    num_shown = len(shown)
    num_columns = 1 if len(rows) <= _ROWS // 2 else min(_COLUMNS, -(-len(shown) // _ROWS) + (len(shown) <= _ROWS))
    height = -(-len(shown) // num_columns)
    shown += [[''] * (1 + len(sets))] * (height * num_columns - len(shown))
    lines = [list(chain.from_iterable(shown[line::height])) for line in range(height)]
    table = tabulate(lines, ['class', *sets] * num_columns, tablefmt='simple', disable_numparse=True,
                     colalign=('left', *['right'] * len(sets)) * num_columns).splitlines()
    more = [f'... and {len(rows) - num_shown} more classes'] if len(rows) > num_shown else []
    empty = [name for name in classes if not any(counts[split][name] for split in sets)]
    if empty:
        more.append(_shorten(f'Without any box: {", ".join(empty)}', _WIDTH))
    return table + more


def _sizes(sets: dict[str, list[CheckedImage]]) -> list[str]:
    images = [image for members in sets.values() for image in members]
    sides = np.array([image.size for image in images])
    different = len(np.unique(sides, axis=0))
    shape = (f'all {sides[0][0]} x {sides[0][1]}' if different == 1 else
             f'{sides[:, 0].min()} to {sides[:, 0].max()} wide, {sides[:, 1].min()} to {sides[:, 1].max()} high, '
             f'median {np.median(sides[:, 0]):.0f} x {np.median(sides[:, 1]):.0f}, {different} different')
    corners = np.array([[*box.box, max(image.size)] for image in images for box in image.boxes])
    width, height = corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]
    kinds = np.searchsorted([limit for _, limit in _SIZES[:2]], width * height, side='right')
    shares = ', '.join(f'{name} {np.mean(kinds == kind):.0%}' for kind, (name, _) in enumerate(_SIZES))
    scaled = np.sqrt(width * height) * 640 / corners[:, 4]
    return [f'Images (width x height): {shape}',
            f'Boxes: {shares} (COCO: below 32 x 32, below 96 x 96 pixels); side {np.sqrt(width * height).min():.1f} to '
            f'{np.sqrt(width * height).max():.0f}, median {np.median(np.sqrt(width * height)):.0f}',
            f'At an image size of 640 the median side of a box is {np.median(scaled):.0f} pixels, '
            f'and {np.mean(scaled < 8):.0%} are below 8']


def _problems(problems: Problems, file: Path) -> list[str]:
    notes = [f'Note: {note}' for note in problems.notes()]
    counts = problems.counts()
    if not counts:
        return ['Problems: none', *notes]
    left_out = sum(count for (_, action), count in counts.items() if action == LEFT_OUT)
    rows = [[count, kind, action, _shorten(_example(problems, kind, action), 70)]
            for (kind, action), count in counts.most_common(14)]
    table = tabulate(rows, tablefmt='plain', disable_numparse=True,
                     colalign=('right', 'left', 'left', 'left')).splitlines()
    return [f'Problems: {len(problems)}, of which {left_out} were left out; all are in {file}', *table, *notes]


def _example(problems: Problems, kind: str, action: str) -> str:
    problem = problems.first(kind, action)
    return ', '.join(filter(None, (problem.file, problem.row, problem.value)))


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else f'{text[:length - 3]}...'
