"""A metric over the epochs of several trainings, and where the first of them reaches the end of the last one."""
import os
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mmdet_ext.comparison import Reached, Run, compare

from .style import BLUE, GREY, INK, LARGE, NORMAL, ORANGE, SMALL, VERMILLION, save, shorten

# of Okabe and Ito, the most different first
_COLORS = (BLUE, VERMILLION, '#009E73', '#CC79A7', ORANGE, '#56B4E9', INK)
_DASHES = ('-', '--', ':')  # for one round of colours each
_MARKERS = 'osD^vPX'
_LABEL_HEIGHT = 0.055  # of the height of the axes


def draw_learning_curves(runs: Sequence[Run], path: str | os.PathLike, label: str) -> None:
    """Write one PNG: a line for each training, named at its end.

    With two or more trainings a thin line is at the final value of the last one, and a ring where the first reaches it.

    Args:
        runs: With one validation each at least.
        path: Of the PNG.
        label: Name of the metric.
    """
    figure = Figure((7.6, 4.2), layout='constrained')
    axes = figure.add_subplot()
    values = [value for run in runs for value in run.curve.values()]
    last, bottom, top = max(run.final[0] for run in runs), min(0, *values), max(values)
    axes.set_xlim(0, last)
    axes.set_ylim(bottom, top + max(0.08 * (top - bottom), 0.01))
    for number, run in enumerate(runs):
        axes.plot(run.curve.keys(), run.curve.values(), color=_color(number), linewidth=1.6,
                  linestyle=_DASHES[number // len(_COLORS) % len(_DASHES)],
                  marker=_MARKERS[number % len(_MARKERS)], markersize=3.2, clip_on=False, zorder=3)
    _name_lines(axes, runs)
    if len(runs) > 1:
        _mark_crossing(axes, compare(runs)[-1], label)
    axes.set_xlabel('epochs of training', fontsize=NORMAL, color=INK)
    axes.set_title(f'{label} on the validation pictures', fontsize=LARGE, color=INK, loc='left')
    axes.xaxis.set_major_locator(MaxNLocator('auto', integer=True))
    axes.spines[['top', 'right']].set_visible(False)
    axes.tick_params(labelsize=SMALL)
    save(figure, path)


def _color(number: int) -> str:
    return _COLORS[number % len(_COLORS)]


def _name_lines(axes: Axes, runs: Sequence[Run]) -> None:
    """Write each name to the right of the axes, at the height of the end of its line, with a thin line to that."""
    bottom, top = axes.get_ylim()
    ends = [(run.final[1] - bottom) / (top - bottom) for run in runs]
    for number, (run, height) in enumerate(zip(runs, spread(ends, _LABEL_HEIGHT), strict=True)):
        epoch, value = run.final
        axes.annotate(f'{shorten(run.name, 30)} {value:.3f}', xy=(epoch, value), xycoords='data',
                      xytext=(1.045, height), textcoords='axes fraction', fontsize=NORMAL, color=_color(number),
                      va='center', annotation_clip=False,
                      arrowprops=dict(arrowstyle='-', color=_color(number), linewidth=0.6, alpha=0.6, shrinkA=1,
                                      shrinkB=4, relpos=(0, 0.5)))


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Move heights apart until they are `gap` from each other, in their order and not above 1 if there is room."""
    order = sorted(range(len(heights)), key=heights.__getitem__)
    placed = dict.fromkeys(order, 0.)
    floor = -float('inf')
    for index in order:
        floor = placed[index] = max(heights[index], floor)
        floor += gap
    ceiling = 1.
    for index in reversed(order):
        ceiling = placed[index] = min(placed[index], ceiling)
        ceiling -= gap
    return [placed[index] for index in range(len(heights))]


def _mark_crossing(axes: Axes, reached: Reached, label: str) -> None:
    """A thin line at the final value of the other training; a ring and a line down where the first one reaches it."""
    epochs, target = reached.other.final
    left = reached.epoch is None or reached.epoch > 0.5 * axes.get_xlim()[1]  # the line's name keeps away from the ring
    axes.axhline(target, color=GREY, linewidth=0.8, zorder=1)
    axes.annotate(f'final {label} of {shorten(reached.other.name, 30)}', xy=(0 if left else 1, target),
                  xycoords=('axes fraction', 'data'), xytext=(4 if left else -4, 3), textcoords='offset points',
                  ha='left' if left else 'right', fontsize=SMALL, color=GREY)
    if reached.epoch is None:
        return
    value = reached.run.curve[reached.epoch]
    axes.vlines(reached.epoch, axes.get_ylim()[0], value, color=GREY, linewidth=0.8, linestyle='--', zorder=1)
    axes.plot(reached.epoch, value, 'o', markersize=10, markerfacecolor='none', markeredgecolor=INK,
              markeredgewidth=1.2, clip_on=False, zorder=4)
    axes.annotate(f'reached after {reached.epoch} of {epochs} epochs', xy=(reached.epoch, value),
                  xytext=(-8 if left else -4, 60), textcoords='offset points', ha='right' if left else 'left',
                  fontsize=SMALL, color=INK, arrowprops=dict(arrowstyle='-', color=GREY, linewidth=0.6, shrinkB=6))
