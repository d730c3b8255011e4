"""Plots of all atoms of a dictionary: how much each is used, how alike they are; and what the reports share."""
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from tabulate import tabulate
from torch import Tensor

from mmdet_ext.dictionary.usage import effective_number

from ..style import BLUE, DIVERGING, GREY, INK, LARGE, NORMAL, ORANGE, PALE, SMALL, save, tidy
from .capture import Capture


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


def usage_on(capture: Capture) -> Tensor:
    """Mean magnitude |c'| of each atom's coefficient over the cells of an image without its padding: (N, ) float64."""
    return capture.coefficients[:, capture.grid.inside()].abs().mean(dim=1).double()


def gram(atoms: Tensor) -> Tensor:
    """Cosine of each pair of atoms: (N, C) -> (N, N)."""
    units = F.normalize(atoms, dim=1)
    return units @ units.T


def draw_usage(usages: Sequence[Tensor], path: str | os.PathLike) -> None:
    """Write one PNG: the mean of `usage_on` some images, the most used atom first."""
    usage, images = torch.stack(list(usages)).mean(dim=0), len(usages)
    order = usage.argsort(descending=True).tolist()
    most, least = (', '.join(map(str, atoms)) for atoms in (order[:5], order[-5:]))
    draw_ranked(usage.numpy(), path, f'usage over {images} {"image" if images == 1 else "images"}: '
                f'{effective_number(usage):.1f} of {len(usage)} atoms effective',
                f'atoms by usage: the most used are {most}, the least used {least}', "mean |c'|",
                line=usage.mean().item(), name=f'mean {usage.mean():.2f}')


def draw_gram(atoms: Tensor, path: str | os.PathLike) -> None:
    """Write one PNG: the cosine of each pair of atoms (N, C) as a matrix, and how often each value occurs."""
    cosines = gram(atoms)
    pairs = cosines[~torch.eye(len(atoms), dtype=torch.bool)]
    figure = Figure((8.6, 4.3), layout='constrained')
    matrix, histogram = figure.subplots(1, 2, width_ratios=(1.35, 1))
    drawn = matrix.imshow(cosines.numpy(), cmap=DIVERGING, vmin=-1, vmax=1, interpolation='nearest')
    label_axes(matrix, f'cosine of each pair of {len(atoms)} atoms', 'atom', 'atom')
    matrix.grid(False)
    figure.colorbar(drawn, ax=matrix, shrink=0.85).ax.tick_params(labelsize=SMALL)
    histogram.hist(pairs.numpy(), bins=60, range=(-1, 1), color=BLUE, linewidth=0)
    histogram.axvline(0, color=GREY, linewidth=0.8)
    label_axes(histogram, f'different atoms: |cos| {pairs.abs().mean():.2f} on average', 'cosine')
    histogram.set(xticks=(-1, -0.5, 0, 0.5, 1), yticks=[])
    save(figure, path)
