"""A metric over the epochs of several trainings, and where the first of them reaches the end of the last one."""
import os
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..visualization.style import BLUE, GREY, INK, LARGE, NORMAL, ORANGE, SMALL, VERMILLION, save, shorten, tidy
from .comparison import Reached, Run, compare

# of Okabe and Ito, the most different first
_COLORS = (BLUE, VERMILLION, '#009E73', '#CC79A7', ORANGE, '#56B4E9', INK)
_DASHES = ('-', '--', ':')  # for one round of colours each
_MARKERS = 'osD^vPX'


def draw_learning_curves(runs: Sequence[Run], path: str | os.PathLike, label: str) -> None:
    """Write one PNG: a line for each training; the legend names them, the best final value first.

    With two or more trainings a thin line is at the final value of the last one, and a ring where the first reaches it.

    Args:
        runs: With one validation each at least.
        path: Of the PNG.
        label: Name of the metric.
    """
    figure = Figure((7.6, 4.2), layout='constrained')
    axes = tidy(figure.add_subplot())
    values = [value for run in runs for value in run.curve.values()]
    last, bottom, top = max(run.final[0] for run in runs), min(0, *values), max(values)
    axes.set(xlim=(0, last), ylim=(bottom, top + max(0.08 * (top - bottom), 0.01)))
    lines = []
    for number, run in enumerate(runs):
        lines += axes.plot(
            run.curve.keys(), run.curve.values(), color=_COLORS[number % len(_COLORS)], linewidth=1.6,
            linestyle=_DASHES[number // len(_COLORS) % len(_DASHES)], marker=_MARKERS[number % len(_MARKERS)],
            markersize=3.2, clip_on=False, zorder=3, label=f'{shorten(run.name, 30)} {run.final[1]:.3f}')
    order = sorted(range(len(runs)), key=lambda number: -runs[number].final[1])
    figure.legend(handles=[lines[number] for number in order], fontsize=NORMAL, loc='outside right upper',
                  frameon=False)
    if len(runs) > 1:
        _mark_crossing(axes, compare(runs)[-1], label)
    axes.set_xlabel('epochs of training', fontsize=NORMAL, color=INK)
    axes.set_title(f'{label} on the validation images', fontsize=LARGE, color=INK, loc='left')
    axes.xaxis.set_major_locator(MaxNLocator('auto', integer=True))
    save(figure, path)


def _mark_crossing(axes: Axes, reached: Reached, label: str) -> None:
    """A thin line at the final value of the other training; a ring and a line down where the first one reaches it."""
    epochs, target = reached.other.final
    # in the half of the axes where the ring is not
    left = reached.epoch is None or reached.epoch > 0.5 * axes.get_xlim()[1]
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
    axes.annotate(f'reached after {reached.epoch} of {epochs} epochs', xy=(reached.epoch, 0),
                  xycoords=('data', 'axes fraction'), xytext=(-4 if left else 4, 5), textcoords='offset points',
                  ha='right' if left else 'left', fontsize=SMALL, color=INK)
