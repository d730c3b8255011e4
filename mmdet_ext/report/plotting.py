"""What the figures of a report share: their size, their letters, and the colours of lines of classes."""
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import matplotlib
import matplotlib.figure
import numpy as np
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties

from ..lettering import font_for, shorten
from ..visualization.style import BLUE, GREY, INK, ORANGE, VERMILLION

WIDTH = 5.2  # inches, 780 pixels: letters can be read on a page of 400 pixels, two figures fit beside each other
LETTERS, SMALL_LETTERS = 10, 9  # points
LINE_COLORS = (BLUE, VERMILLION, '#009E73', '#CC79A7', ORANGE, '#56B4E9', '#7850C8', '#A0522D', '#3CA028', '#C81E50')
MOST_NAMED = len(LINE_COLORS)  # with more classes only the best and the worst are named
_EXTREMES = 4


@contextmanager
def figure_style(names: Sequence[str]) -> Iterator[None]:
    """Letters of a size to be read, and a font that has those of the names of classes."""
    family = FontProperties(fname=font_for(names)).get_name()
    with matplotlib.rc_context({
            'font.family': list(dict.fromkeys([family, 'DejaVu Sans'])), 'font.size': LETTERS, 'text.color': INK,
            'axes.labelcolor': INK, 'axes.titlesize': LETTERS, 'axes.titlelocation': 'left', 'xtick.color': INK,
            'ytick.color': INK, 'axes.spines.top': False, 'axes.spines.right': False, 'axes.grid': True,
            'grid.color': '#E8E8E8', 'axes.axisbelow': True, 'legend.frameon': False, 'text.parse_math': False,
    }), warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'Glyph')  # font_for has warned of letters that no font has
        yield


def new_figure(height: float, width: float = WIDTH) -> matplotlib.figure.Figure:
    """An empty figure; its sizes are in inches."""
    return matplotlib.figure.Figure((width, height), layout='constrained')


def extremes(ranking: np.ndarray) -> list[int]:
    """The classes to name in a figure, the best first: all that have a value, or the four best and the four worst."""
    order = np.argsort(-ranking, kind='stable')
    order = order[~np.isnan(ranking[order])].tolist()
    return order if len(order) <= MOST_NAMED else order[:_EXTREMES] + order[-_EXTREMES:]


def draw_class_lines(axes: Axes, x: np.ndarray, lines: np.ndarray, mean: np.ndarray, classes: Sequence[str],
                     values: np.ndarray, named: Sequence[int]) -> None:
    """A line of (C, T) for each class, coloured by its place in `named` or grey, and the mean of several, bold.

    `values` (C,) are written behind the names; a class in which they are NaN has no line.
    """
    for label in set(np.flatnonzero(~np.isnan(values)).tolist()) - set(named):
        axes.plot(x, lines[label], color='#D4D4D4', linewidth=0.7, zorder=1)
    for number, label in enumerate(named):
        if not np.isnan(values[label]):
            axes.plot(x, lines[label], color=LINE_COLORS[number], linewidth=1.4, zorder=2,
                      label=f'{shorten(classes[label], 18)} {values[label]:.2f}')
    if np.isfinite(mean).any() and len(classes) > 1:
        axes.plot(x, mean, color=INK, linewidth=3, zorder=3, label='mean')
    axes.set(xlim=(x[0], x[-1]), ylim=(0, 1.02))


def legend_below(figure: matplotlib.figure.Figure, axes: Axes) -> None:
    """The lines' names below the axes, in two columns."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc='outside lower center', ncols=2, fontsize=LETTERS)


def empty_note(axes: Axes, text: str) -> None:
    """What stands in the place of lines."""
    axes.text(0.5, 0.5, text, color=GREY, ha='center', va='center', transform=axes.transAxes)
