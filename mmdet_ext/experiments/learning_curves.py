"""A metric over the epochs of several trainings, and where the first of them reaches the end of the last one."""
import os
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..visualization.style import BLUE, GREY, INK, LARGE, NORMAL, ORANGE, VERMILLION, save, shorten, tidy
from .comparison import Run, compare

# of Okabe and Ito, the most different first
_COLORS = (BLUE, VERMILLION, '#009E73', '#CC79A7', ORANGE, '#56B4E9', INK)
_DASHES = ('-', '--', ':')  # for one round of colours each
_MARKERS = 'osD^vPX'


def draw_learning_curves(runs: Sequence[Run], path: str | os.PathLike, label: str) -> None:
    """Write one PNG: a line for each training; the legend names them, the best final value first.

    With several seeds the line is their mean, in a band of one standard deviation to each side.
    With two or more trainings a thin line is at the final value of the last one, and a ring where the first reaches it.
    Each has one validation at least; `label` is the name of the metric.
    """
    figure = Figure((7.6, 4.2), layout='constrained')
    axes = tidy(figure.add_subplot())
    values = [value + sign * (run.deviation(epoch) or 0) for run in runs for epoch, value in run.values.items()
              for sign in (-1, 1)]
    last, bottom, top = max(run.final.epoch for run in runs), min(0, *values), max(values)
    axes.set(xlim=(0, last), ylim=(bottom, top + max(0.08 * (top - bottom), 0.01)))
    for number, run in sorted(enumerate(runs), key=lambda item: -item[1].final.value):
        axes.plot(run.values.keys(), run.values.values(), color=_COLORS[number % len(_COLORS)], linewidth=1.6,
                  linestyle=_DASHES[number // len(_COLORS) % len(_DASHES)], marker=_MARKERS[number % len(_MARKERS)],
                  markersize=3.2, clip_on=False, zorder=3,
                  label=f'{shorten(run.name, 30)} {run.cell(run.final.epoch)}')
        if len(run.seeds) > 1:
            low, high = ([value + sign * run.deviation(epoch) for epoch, value in run.values.items()]
                         for sign in (-1, 1))
            axes.fill_between(list(run.values), low, high, color=_COLORS[number % len(_COLORS)], alpha=0.15,
                              linewidth=0, zorder=2)
    for reached in compare(runs)[-1:]:
        axes.axhline(reached.other.final.value, color=GREY, linewidth=0.8, zorder=1,
                     label=f'final {label} of {shorten(reached.other.name, 30)}')
        if reached.epoch is not None:
            value = reached.run.values[reached.epoch]
            axes.vlines(reached.epoch, bottom, value, color=GREY, linewidth=0.8, linestyle='--', zorder=1)
            axes.plot(reached.epoch, value, 'o', markersize=10, markerfacecolor='none', markeredgecolor=INK,
                      markeredgewidth=1.2, clip_on=False, zorder=4,
                      label=f'reached after {reached.epoch} of {reached.other.final.epoch} epochs')
    figure.legend(fontsize=NORMAL, loc='outside right upper', frameon=False)
    axes.set_xlabel('epochs of training', fontsize=NORMAL, color=INK)
    axes.set_title(f'{label} on the validation images', fontsize=LARGE, color=INK, loc='left')
    axes.xaxis.set_major_locator(MaxNLocator('auto', integer=True))
    save(figure, path)
