"""Plots that the reports share, and tables of Markdown."""
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from tabulate import tabulate

from ..style import BLUE, INK, LARGE, NORMAL, ORANGE, PALE, save, tidy


def label_axes(axes: Axes, title: str, xlabel: str, ylabel: str = '') -> None:
    """Titles and letters of a plot over whole numbers, which is also given grey lines."""
    tidy(axes).set_title(title, fontsize=LARGE, color=INK, loc='left')
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f'{value:,.6g}'))
    axes.set_xlabel(xlabel, fontsize=NORMAL, color=INK)
    axes.set_ylabel(ylabel, fontsize=NORMAL, color=INK)
    axes.grid(axis='y', color=PALE, linewidth=0.6)
    axes.set_axisbelow(True)


def draw_steps(values: Sequence[float], path: str | os.PathLike, title: str, xlabel: str) -> None:
    """Write a PNG of a number after each step, counted from 1."""
    figure = Figure((7.2, 3.2), layout='constrained')
    axes, count = figure.subplots(), len(values)
    label_axes(axes, title, xlabel)
    axes.plot(range(1, count + 1), values, color=BLUE, linewidth=1.4, marker='o' if count < 40 else '', markersize=3)
    axes.annotate(f'{values[-1]:,.4g}', (count, values[-1]), (0, 6), textcoords='offset points', ha='right',
                  fontsize=NORMAL, color=INK)
    axes.set_xlim(1 - 0.02 * count, 1.02 * count)
    save(figure, path)


def draw_ranked(values: np.ndarray, path: str | os.PathLike, title: str, xlabel: str, ylabel: str = '', *,
                line: float, name: str) -> None:
    """Write a PNG of one bar per atom, the highest first, and a line at a height that is given a name."""
    figure = Figure((7.2, 3.2), layout='constrained')
    axes = figure.subplots()
    label_axes(axes, title, xlabel, ylabel)
    axes.bar(np.arange(1, len(values) + 1), np.sort(values)[::-1], width=1 if len(values) > 60 else 0.8, color=BLUE)
    axes.axhline(line, color=ORANGE, linewidth=1.2)
    axes.annotate(name, (1, line), (-2, 3), xycoords=('axes fraction', 'data'), textcoords='offset points', ha='right',
                  fontsize=NORMAL, color=INK)
    axes.set_xlim(0.3, len(values) + 0.7)
    save(figure, path)


def table(rows: Sequence[Sequence[Any]], head: Sequence[str], **options: Any) -> str:
    """A table in Markdown."""
    return tabulate(rows, head, tablefmt='pipe', disable_numparse=True, **options)
