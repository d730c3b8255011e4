"""How well each class is detected: AP, precision, recall and F1, and the threshold to use."""
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from ..evaluation.coco_figures import CocoFigures
from ..visualization.style import INK, save
from .average_precision import class_ap
from .curves_of_scores import ScoreCurves, mean_of_classes
from .matching import Matches
from .plotting import MOST_NAMED, draw_class_lines, empty_note, extremes, figure_style, legend_below, new_figure
from .section import Figure, Section, Table

USUAL_THRESHOLD = 0.25  # where no threshold is better than another
_HEADER = ('class', 'images', 'boxes', 'AP', 'AP50', 'AP75', 'precision', 'recall', 'best F1', 'at threshold')


def threshold_for_use(curves: ScoreCurves) -> float:
    """The score with the best mean F1."""
    return USUAL_THRESHOLD if curves.best is None else float(curves.thresholds[curves.best])


def scores_section(classes: Sequence[str], matches: Matches, curves: ScoreCurves, figures: CocoFigures,
                   folder: Path) -> Section:
    """Curves and the table of classes."""
    aps = class_ap(figures)
    named = extremes(aps[:, 1])  # in all figures the same, so that a class has the same colour
    with figure_style(classes):
        drawn = (_precision_recall(classes, figures, aps[:, 1], named, folder), _f1(classes, curves, named, folder),
                 *_both(classes, curves, named, folder))
    return Section('scores', 'Precision, recall and F1', _text(curves), drawn,
                   (_table(classes, matches, curves, aps),))


def _text(curves: ScoreCurves) -> str:
    text = ('A detection is right if it has the class of an object that is still free and an IoU of 0.5 or more with '
            'it (IoU: what both boxes cover together, divided by what at least one of them covers). '
            'Precision is the share of detections that are right, recall the share of objects that are detected, '
            'F1 their harmonic mean. A class without objects does not count in any mean. AP is that of COCO, as '
            'training prints it. ')
    if curves.best is None:
        return text + 'No detection is right, so that no threshold is better than another.'
    mean = mean_of_classes(curves.f1)[curves.best]
    return text + (f'For use, leave out detections with a score under {threshold_for_use(curves):.3f}: there the mean '
                   f'F1 of the classes is highest, {mean:.3f}. Precision and recall in the table are those at this '
                   'threshold; the last column has the best threshold of each class.')


def _precision_recall(classes: Sequence[str], figures: CocoFigures, ap50: np.ndarray, named: Sequence[int],
                      folder: Path) -> Figure:
    precision = figures.precision[0, :, :, 0, -1].T  # (C, 101)
    precision = np.where(precision > -1, precision, np.nan)
    figure = new_figure(5.)
    axes = figure.add_subplot(xlabel='recall', ylabel='precision')
    draw_class_lines(axes, np.linspace(0, 1, precision.shape[1]), precision, mean_of_classes(precision), classes, ap50,
                     named)
    legend_below(figure, axes)
    if np.isnan(ap50).all():
        empty_note(axes, 'no objects')
    return Figure(save(figure, folder / 'precision_recall.png'), 'Precision over recall at IoU 0.5',
                  f'Each point is a threshold of the score; the area under a line is AP50, written behind the name. '
                  f'{_which(classes)}')


def _f1(classes: Sequence[str], curves: ScoreCurves, named: Sequence[int], folder: Path) -> Figure:
    best = np.array([np.nan if (index := curves.best_of(label)) is None else curves.f1[label, index]
                     for label in range(len(classes))])
    best = np.where(np.isnan(curves.f1).all(axis=1), np.nan, np.nan_to_num(best))
    figure = new_figure(5.)
    axes = figure.add_subplot(xlabel='threshold of the score', ylabel='F1')
    mean = mean_of_classes(curves.f1)
    draw_class_lines(axes, curves.thresholds, curves.f1, mean, classes, best, named)
    for line in axes.get_lines():
        values = line.get_ydata()
        if line.get_label() != 'mean' and not line.get_label().startswith('_') and np.nanmax(values) > 0:
            index = int(np.nanargmax(values))
            axes.plot(curves.thresholds[index], values[index], 'o', color=line.get_color(), markersize=4, zorder=4)
    if curves.best is not None:
        _mark(axes, curves.thresholds[curves.best], mean[curves.best])
    legend_below(figure, axes)
    if np.isnan(best).all():
        empty_note(axes, 'no objects')
    return Figure(save(figure, folder / 'f1.png'), 'F1 over the threshold',
                  f'The best F1 stands behind the name and is marked by a dot; the dashed line is the threshold for '
                  f'use. {_which(classes)}')


def _both(classes: Sequence[str], curves: ScoreCurves, named: Sequence[int], folder: Path) -> Iterator[Figure]:
    used = curves.best or 0
    for name, values, text in (
            ('precision', curves.precision, 'A higher threshold leaves fewer detections, of which more are right.'),
            ('recall', curves.recall, 'A higher threshold leaves fewer detections, so that more objects are missed.')):
        figure = new_figure(5.)
        axes = figure.add_subplot(xlabel='threshold of the score', ylabel=name)
        at = np.where(np.isnan(curves.recall[:, 0]), np.nan, np.nan_to_num(values[:, used]))
        draw_class_lines(axes, curves.thresholds, values, mean_of_classes(values), classes, at, named)
        if curves.best is not None:
            _mark(axes, curves.thresholds[used], mean_of_classes(values)[used])
        legend_below(figure, axes)
        if not axes.get_lines():
            empty_note(axes, 'no objects')
        yield Figure(save(figure, folder / f'{name}.png'), f'{name.capitalize()} over the threshold',
                     f'{text} The values behind the names are those at the threshold for use, the dashed line. '
                     f'{_which(classes)}')


def _mark(axes: Axes, threshold: float, value: float) -> None:
    axes.axvline(threshold, color=INK, linewidth=1, linestyle='--', zorder=3)
    left = threshold < (axes.get_xlim()[1] / 2)
    axes.annotate(f'{value:.2f} at {threshold:.3f}', (threshold, 1.0), xytext=(4 if left else -4, -2),
                  textcoords='offset points', ha='left' if left else 'right', va='top', zorder=5,
                  bbox=dict(boxstyle='square,pad=0.15', facecolor='white', edgecolor='none', alpha=0.8))


def _which(classes: Sequence[str]) -> str:
    if len(classes) == 1:
        return ''
    return ('The bold line is the mean of the classes.' if len(classes) <= MOST_NAMED else
            'The bold line is the mean of the classes; the four with the highest AP50 and the four with the lowest are '
            'named, the others grey.')


def _table(classes: Sequence[str], matches: Matches, curves: ScoreCurves, aps: np.ndarray) -> Table:
    truths, index = matches.truths, curves.best
    boxes = truths.counts(len(classes))
    real = ~truths.ignored
    pairs = np.unique(np.stack([truths.label[real], truths.image[real]]), axis=1)
    images = np.bincount(pairs[0], minlength=len(classes))
    at = np.searchsorted(curves.thresholds, USUAL_THRESHOLD).clip(max=len(curves.thresholds) - 1) if index is None \
        else index
    rows = []
    for label, name in enumerate(classes):
        best = curves.best_of(label)
        rows.append([name, int(images[label]), int(boxes[label]), *map(_defined, aps[label]),
                     _defined(curves.precision[label, at]), _defined(curves.recall[label, at]),
                     _defined(curves.f1[label].max()) if best is None else _defined(curves.f1[label, best]),
                     None if best is None else _defined(curves.thresholds[best])])
    mean_f1 = mean_of_classes(curves.f1)
    means = [mean_of_classes(values[:, None])[0] for values in (*aps.T, curves.precision[:, at], curves.recall[:, at])]
    total = ['all classes', len(np.unique(truths.image[real])), int(boxes.sum()), *map(_defined, means),
             _defined(mean_f1.max() if index is None else mean_f1[index]),
             None if index is None else _defined(curves.thresholds[index])]
    return Table('Classes', _HEADER, [total, *rows])


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
