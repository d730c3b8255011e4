"""Which classes are taken for each other."""
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.colors import PowerNorm

from ..extras import import_extra
from ..lettering import shorten
from ..visualization.style import save
from .matching import IOU_THRESHOLD, Matches
from .plotting import figure_style, new_figure
from .results import DetectionResults
from .section import Figure, Section, Table

BACKGROUND = 'background'
_MOST_WRITTEN = 12  # classes, with more of which a matrix has no numbers in it
_MOST_CONFUSED = 10  # classes of the part that is shown larger
_MOST_PAIRS = 15


def confusion_matrix(results: DetectionResults, matches: Matches, threshold: float) -> np.ndarray:
    """Count objects by their class and the class that they are taken for, by supervision's `ConfusionMatrix`.

    An object and a detection with an IoU of 0.5 or more belong together, those of the same class first, then by
    descending IoU, each at most once. Detections on crowds of their class do not count, nor do crowds.

    Returns:
        (C + 1, C + 1) int: rows are the classes of objects, columns those of detections; the last row has detections
        without an object, the last column objects without a detection.
    """
    import supervision as sv  # only now: it takes a while

    detected, truths, size = matches.detected, matches.truths, len(results.classes)
    chosen = (detected.score >= threshold) & ~detected.ignored
    images = range(len(results.images))
    first, first_truth = (np.searchsorted(image, np.arange(len(images) + 1)) for image in (detected.image,
                                                                                          truths.image))
    predictions, targets = [], []
    for number in images:
        image, rows = results.images[number], np.arange(first[number], first[number + 1])
        rows = rows[chosen[rows]]
        predictions.append(np.column_stack([image.boxes[detected.row[rows]].reshape(-1, 4), detected.label[rows],
                                            detected.score[rows]]).astype(np.float64))
        rows = np.arange(first_truth[number], first_truth[number + 1])
        rows = rows[~truths.ignored[rows]]
        targets.append(np.column_stack([image.true_boxes[truths.row[rows]].reshape(-1, 4),
                                        truths.label[rows]]).astype(np.float64))
    just_below = np.nextafter(IOU_THRESHOLD, 0)  # supervision takes larger IoUs only, COCO equal ones too
    return sv.ConfusionMatrix.from_tensors(predictions, targets, list(results.classes), 0, just_below).matrix[
        :size + 1, :size + 1]


def confused_pairs(matrix: np.ndarray) -> list[tuple[int, int]]:
    """(class of the object, class of the detection) of every confusion between two classes, the most frequent first."""
    between = matrix[:-1, :-1] * ~np.eye(len(matrix) - 1, dtype=bool)
    order = np.argsort(-between, axis=None, kind='stable')[:np.count_nonzero(between)]
    return [divmod(int(index), len(between)) for index in order]


def confusion_section(classes: Sequence[str], matrix: np.ndarray, threshold: float, folder: Path) -> Section:
    """The matrix as shares and counts; with many classes the part that is confused most, larger."""
    names = [*classes, BACKGROUND]
    pairs = confused_pairs(matrix)
    with np.errstate(invalid='ignore'):
        shares = matrix / matrix.sum(axis=1, keepdims=True)
    with figure_style(names):
        figures = [_draw(shares, names, folder / 'confusion_shares.png', 'Confusion matrix, shares of each row',
                         'The share of the objects of each class (rows) that are detected as each class (columns). '
                         'The column "background" has the missed ones, the row "background" the detections where no '
                         'object is.'),
                   _draw(matrix, names, folder / 'confusion_counts.png', 'Confusion matrix, counts',
                         'The same in numbers of objects and detections.')]
        if len(classes) > _MOST_WRITTEN and pairs:
            part = _most_confused(pairs)
            rows = [*part, len(classes)]
            figures.append(_draw(matrix[np.ix_(rows, rows)], [names[row] for row in rows],
                                 folder / 'most_confused.png', 'The classes that are confused most',
                                 f'Counts of the {len(part)} classes with the most frequent confusions.'))
    text = (f'Detections with a score of {threshold:.3f} or more, at IoU {IOU_THRESHOLD}. On the diagonal are the '
            'right ones. An object has one detection at most here, one of its own class before others; further '
            'detections on it count as background.')
    objects = matrix.sum(axis=1)
    rows = [[names[truth], names[label], int(matrix[truth, label]), float(matrix[truth, label] / objects[truth])]
            for truth, label in pairs[:_MOST_PAIRS]]
    tables = (Table('Most confused pairs', ('object', 'detected as', 'boxes', 'share of the objects'), rows),)
    return Section('confusion', 'Confusion of classes', text, figures, tables if rows else ())


def _most_confused(pairs: Sequence[tuple[int, int]]) -> list[int]:
    part: list[int] = []
    for pair in pairs:
        part += [label for label in pair if label not in part]
        if len(part) >= _MOST_CONFUSED:
            break
    return sorted(part)


def _draw(matrix: np.ndarray, names: Sequence[str], path: Path, title: str, text: str) -> Figure:
    seaborn = import_extra('seaborn', 'report')
    written, counts = len(names) <= _MOST_WRITTEN + 1, matrix.dtype.kind in 'iu'
    values, every = np.nan_to_num(matrix), 1 if len(names) <= 40 else 2
    labels = [shorten(name, 18) if row % every == 0 or row == len(names) - 1 else '' for row, name in enumerate(names)]
    marks = [['' if (mark := f'{value:d}' if counts else f'{value:.2f}') in ('0', '0.00') else mark for value in row]
             for row in values]
    figure = new_figure(5.2) if len(names) <= 20 else new_figure(8.5, 9)
    axes = figure.add_subplot()
    top = max(1, values[:-1, :-1].max(initial=0)) if counts else 1
    seaborn.heatmap(values, cmap='Blues', norm=PowerNorm(0.5, 0, top), square=True, ax=axes, cbar=not written,
                    annot=np.array(marks) if written else None, fmt='', linecolor='#E8E8E8',
                    annot_kws=dict(size=9 if len(names) < 10 else 8), linewidths=0.5 if len(names) <= 40 else 0,
                    xticklabels=labels, yticklabels=labels, cbar_kws=dict(shrink=0.8))
    axes.grid(False)
    axes.set(xlabel='detected as', ylabel='object')
    axes.tick_params(labelsize=9 if len(names) <= 40 else 7, length=0)
    axes.tick_params(axis='x', rotation=90)
    axes.tick_params(axis='y', rotation=0)
    return Figure(save(figure, path), title, text)
