"""Curves of a training: losses, learning rates and the metrics of its validations over epochs."""
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ..experiments.comparison import metric_label
from ..experiments.logs import TrainingLog
from ..visualization.style import BLUE, GREY, INK, ORANGE, PALE, VERMILLION, save, shorten, tidy
from .plotting import LETTERS, SMALL_LETTERS, WIDTH
from .section import Figure, Section

COLORS = (BLUE, VERMILLION, '#009E73', '#CC79A7', ORANGE, '#56B4E9', INK)
MOST_LOSSES, MOST_METRICS = 12, 7
COLUMNS = 2
HEIGHT = 3.4  # inches
OF_A_LAYER = re.compile(r'(^|\.)(d\d+|enc)[._]|^s\d+\.')  # losses of the inner layers of a decoder
# The metric that a run is judged by: the first of these that its validations have.
MAIN = ('coco/bbox_mAP', r'.*bbox_mAP', r'.*recall@1_all', r'.*mAP', r'.*precision@1', r'.*mean_iou', r'.*accuracy')


def main_metric(log: TrainingLog) -> str | None:
    """The metric by which a run is judged; None if nothing was validated, or the validations gave no metric, as those
    of mmdet do as long as there is no detection."""
    names = list(dict.fromkeys(name for metrics in log.validations.values() for name in metrics))
    known = [name for pattern in MAIN for name in names if re.fullmatch(pattern, name)]
    return next(iter(known or names), None)


def curves_section(log: TrainingLog, folder: Path) -> Section | None:
    """Curves of a log, drawn into `folder`; None if nothing was logged."""
    unit = 'epochs' if log.by_epoch else 'iterations'
    times = [log.time_of(row) for row in log.rows]
    losses = _series(log.rows, times, lambda name: 'loss' in name)
    rates = _series(log.rows, times, lambda name: name.split('.')[-1].startswith(('lr', 'base_lr')))
    rates = {name: series for name, series in rates.items() if 'base_lr' not in name or 'lr' not in rates}
    figures = [draw(values, unit, folder) for draw, values in (
        (_metrics, main_metric(log) and log), (_rates, rates), (_losses, losses)) if values]
    if not figures:
        return None
    return Section('curves', 'The training', f'What the log of the training holds, over {unit} of training. The thin '
                   'line is what was logged, the thick one its running mean.', figures)


Series = tuple[list[float], list[float]]  # times, values


def _series(rows: Sequence[Mapping], times: Sequence[float], wanted: object) -> dict[str, Series]:
    """Finite numbers of the log by name, each with the times at which it was logged."""
    series: dict[str, Series] = {}
    for row, time in zip(rows, times, strict=True):
        for name, value in row.items():
            if wanted(name) and isinstance(value, (int, float)) and math.isfinite(value):
                points = series.setdefault(name, ([], []))
                points[0].append(time)
                points[1].append(value)
    return series


def _losses(losses: dict[str, Series], unit: str, folder: Path) -> Figure:
    names = sorted(losses, key=lambda name: (name != 'loss', bool(OF_A_LAYER.search(name))))
    shown = names[:MOST_LOSSES]
    rows = -(-len(shown) // COLUMNS)
    canvas = Canvas((WIDTH, 0.3 + 1.7 * rows), layout='constrained')
    grid = canvas.subplots(rows, min(COLUMNS, len(shown)), squeeze=False)
    for number, (axes, name) in enumerate(zip(grid.flat, shown)):
        times, values = losses[name]
        axes.plot(times, values, color=GREY, linewidth=0.6)
        axes.plot(times, running_mean(values), color=BLUE, linewidth=1.6)
        _label(axes, shorten(name, 22), unit if number + COLUMNS >= len(shown) else '')
        top = max(np.quantile(values, 0.98), values[-1], 1e-9) * 1.1
        axes.set_ylim(min(0., *values), top)
    for axes in canvas.axes[len(shown):]:
        axes.remove()
    left_out = len(names) - len(shown)
    total = losses.get('loss')
    return Figure(
        save(canvas, folder / 'losses.png'), 'Losses',
        (f'The sum of all losses went from {total[1][0]:.3g} to {total[1][-1]:.3g}. ' if total else '') +
        f'{len(shown)} losses over {unit}; a loss that is far above the others at the beginning is cut off there.' +
        (f' {left_out} more, of inner layers, are in the log.' if left_out else ''))


def _rates(rates: dict[str, Series], unit: str, folder: Path) -> Figure:
    canvas = Canvas((WIDTH, HEIGHT), layout='constrained')
    axes = canvas.subplots()
    for number, (name, (times, values)) in enumerate(rates.items()):
        axes.plot(times, values, color=COLORS[number % len(COLORS)], linewidth=1.6, label=name)
    _label(axes, '', unit)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f'{value:.3g}'))
    if len(rates) > 1:
        axes.legend(fontsize=SMALL_LETTERS, frameon=False)
    highest = max(max(values) for _, values in rates.values())
    return Figure(save(canvas, folder / 'learning_rates.png'), 'Learning rate',
                  f'The learning rate over {unit}, at most {highest:.3g}.')


def _metrics(log: TrainingLog, unit: str, folder: Path) -> Figure:
    main = main_metric(log)
    names = [name for name in dict.fromkeys(name for metrics in log.validations.values() for name in metrics)
             if all(isinstance(metrics.get(name, 0), (int, float)) for metrics in log.validations.values())]
    names = [main, *(name for name in names if name != main)][:MOST_METRICS]
    canvas = Canvas((WIDTH, HEIGHT), layout='constrained')
    axes = canvas.subplots()
    for number, name in reversed(list(enumerate(names))):
        curve = {epoch: value for epoch, value in log.curve(name).items() if value >= 0}  # -1: not defined
        if curve:
            axes.plot(curve.keys(), curve.values(), color=COLORS[number], linewidth=2.2 if name == main else 1.2,
                      marker='o', markersize=3.5, clip_on=False, label=metric_label(name))
    best, value = best_validation(log, main)
    axes.plot(best, value, 'o', markersize=11, markerfacecolor='none', markeredgecolor=INK, clip_on=False)
    _label(axes, '', unit)
    axes.set(xlim=(0, None), ylim=(0, None))
    handles, labels = axes.get_legend_handles_labels()
    canvas.legend(handles[::-1], labels[::-1], fontsize=SMALL_LETTERS, loc='outside lower center', ncols=4,
                  frameon=False)
    return Figure(
        save(canvas, folder / 'metrics.png'), 'Metrics of the validations',
        f'{metric_label(main)} was best after {best} {unit if best != 1 else unit[:-1]} (ring): {value:.3f}.')


def best_validation(log: TrainingLog, metric: str) -> tuple[int, float]:
    """When a metric was the highest, and its value then; the first of equals."""
    return max(log.curve(metric).items(), key=lambda item: (item[1], -item[0]))


def running_mean(values: Sequence[float]) -> np.ndarray:
    """Mean of each value and its neighbours, a twentieth of all on each side, fewer at the ends."""
    values = np.asarray(values, dtype=float)
    reach = max(1, len(values) // 20)
    sums = np.concatenate([[0], values.cumsum()])
    first = np.maximum(np.arange(len(values)) - reach, 0)
    last = np.minimum(np.arange(len(values)) + reach + 1, len(values))
    return (sums[last] - sums[first]) / (last - first)


def _label(axes: Axes, title: str, unit: str) -> None:
    tidy(axes, SMALL_LETTERS).set_title(title, fontsize=LETTERS, color=INK, loc='left')
    axes.set_xlabel(unit, fontsize=SMALL_LETTERS, color=INK)
    axes.grid(axis='y', color=PALE, linewidth=0.6)
    axes.xaxis.set_major_locator(MaxNLocator('auto', integer=True))
