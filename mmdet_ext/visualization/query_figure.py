"""Which atoms a position of a picture is made of: figure 4 of YOLO-RD (https://arxiv.org/abs/2410.15346)."""
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from .capture import Capture
from .samples import draw_sample
from .style import BLUE, GREY, INK, LARGE, NORMAL, PALE, SMALL, VERMILLION, outline, plain, save

_WIDTH, _GAP = 12.6, 0.1  # inches
_TOP = 4.1  # height of picture and plots
_CELL, _ROW, _LABEL = 1.15, 1.55, 0.9  # rows of samples
SAMPLES = 4  # of an atom


@dataclass
class Query:
    """A position of a picture, and what its feature has to do with the atoms.

    Args:
        point: (x, y) in pixels of the picture.
        cell: (row, column) of the feature there.
        correlations: (N, ) cosine with the atoms, by what it is compared with ('atom', 'folded atom'); the last is
            what the scatter plot shows.
        coefficients: (N, ) c' there.
        groups: Numbers of the atoms to show, by title: one or two groups, drawn in vermillion and in blue.
        notes: Sentences to stand above the figure.
    """
    point: tuple[float, float]
    cell: tuple[int, int]
    correlations: Mapping[str, Tensor]
    coefficients: Tensor
    groups: Mapping[str, Sequence[int]]
    notes: Sequence[str] = ()


def draw_query(capture: Capture, query: Query, nearest: Sequence[Sequence[dict[str, Any]]] | None,
               path: str | os.PathLike) -> None:
    """Write one PNG: the position, its correlations and coefficients, and samples of the atoms in question.

    Args:
        capture: The picture.
        query: The position in it.
        nearest: As `Atoms.nearest`, or of `HighestCoefficients`; None leaves the samples out.
        path: PNG to write.
    """
    rows = max(len(group) for _, _, group in _blocks(query.groups)) if nearest is not None else 0
    samples_height = 0.45 + rows * _ROW if rows else 0
    head = 0.5 + 0.17 * len(query.notes)
    height = head + _TOP + samples_height + _GAP
    figure = Figure((_WIDTH, height))
    x, y = query.point
    figure.text(0.15 / _WIDTH, 1 - 0.22 / height, f'{capture.path.name}: atoms at x = {x:.0f}, y = {y:.0f} '
                f'(cell: row {query.cell[0]}, column {query.cell[1]})', fontsize=LARGE + 1.5, color=INK, va='center',
                parse_math=False)
    for line, note in enumerate(query.notes):
        figure.text(0.15 / _WIDTH, 1 - (0.45 + 0.17 * line) / height, note, fontsize=NORMAL, color=INK, va='center',
                    parse_math=False)
    bottom = samples_height + _GAP

    def axes(left: float, low: float, wide: float, high: float) -> Axes:
        return figure.add_axes((left / _WIDTH, (bottom + low) / height, wide / _WIDTH, high / height))

    _draw_picture(axes(0.15, 0.35, 3.6, _TOP - 0.5), capture, query)
    count = len(query.correlations) + 1
    each = (_TOP - 0.5 - 0.28 * (count - 1)) / count
    panels = [axes(4.4, 0.5 + (count - 1 - i) * (each + 0.22), 4.2, each - 0.12) for i in range(count)]
    _draw_series(panels, query)
    _draw_scatter(axes(9.35, 0.5, 3.1, _TOP - 0.75), query)
    if rows:
        _draw_groups(figure, query, nearest, samples_height)
    save(figure, path)


def _draw_picture(axes: Axes, capture: Capture, query: Query) -> None:
    plain(axes).imshow(capture.picture, interpolation='bilinear')
    axes.set_anchor('N')
    height, width = capture.grid.size
    # a cell may be a few pixels of a large picture
    outline(axes, capture.grid.box_of(*query.cell), width=1.6, least=max(height, width) / 40)
    axes.set(xlim=(0, width), ylim=(height, 0))


def _draw_series(panels: Sequence[Axes], query: Query) -> None:
    series = [(f'cos(x, {name} i)', values) for name, values in query.correlations.items()]
    series.append(("coefficient c'$_i$", query.coefficients))
    for axes, (label, values) in zip(panels, series, strict=True):
        numbers = range(len(values))
        axes.vlines(numbers, 0, values.numpy(), color=GREY, linewidth=max(0.4, min(2.0, 200 / len(values))))
        for color, group in zip((VERMILLION, BLUE), query.groups.values()):
            axes.vlines(group, 0, values[list(group)].numpy(), color=color, linewidth=1.4)
            axes.plot(group, values[list(group)].numpy(), 'o', color=color, markersize=3.5)
        axes.axhline(0, color=INK, linewidth=0.6)
        axes.set_ylabel(label, fontsize=NORMAL, color=INK)
        axes.set_xlim(-1, len(values))
        axes.margins(y=0.1)
        _tidy(axes)
        axes.tick_params(labelbottom=axes is panels[-1])
    panels[-1].set_xlabel('atom i', fontsize=NORMAL, color=INK)


def _draw_scatter(axes: Axes, query: Query) -> None:
    name, values = list(query.correlations.items())[-1]
    axes.axhline(0, color=PALE, linewidth=0.8, zorder=0)
    axes.axvline(0, color=PALE, linewidth=0.8, zorder=0)
    axes.plot(values.numpy(), query.coefficients.numpy(), 'o', color=GREY, markersize=3, markeredgewidth=0, alpha=0.7)
    for color, marker, (title, group) in zip((VERMILLION, BLUE), 'o^', query.groups.items()):
        chosen = list(group)
        axes.plot(values[chosen].numpy(), query.coefficients[chosen].numpy(), marker, color=color, markersize=5.5,
                  label=title)
    axes.set_xlabel(f'cos(x, {name} i)', fontsize=NORMAL, color=INK)
    axes.set_ylabel("coefficient c'$_i$", fontsize=NORMAL, color=INK)
    _tidy(axes)
    axes.legend(fontsize=SMALL, loc='lower center', bbox_to_anchor=(0.5, 1), ncols=2, frameon=False, handletextpad=0.3,
                columnspacing=1)


def _draw_groups(figure: Figure, query: Query, nearest: Sequence[Sequence[dict[str, Any]]], top: float) -> None:
    width, height = figure.get_size_inches()
    values = list(query.correlations.values())[-1]
    for start, (color, title, group) in zip((0.15, _WIDTH / 2 + 0.1), _blocks(query.groups)):
        figure.text(start / width, (top - 0.08) / height, title, fontsize=LARGE, color=color, va='center')
        for row, index in enumerate(group):
            low = top - (row + 1) * _ROW
            correlation, coefficient = values[index].item(), query.coefficients[index].item()
            lines = (f'atom {index}', f'cos {correlation:z.2f}', f"c' {coefficient:z.2f}")  # z: no -0.00
            for line, text in enumerate(lines):
                figure.text(start / width, (low + 0.8 - 0.2 * line) / height, text, color=GREY if line else INK,
                            fontsize=NORMAL if line else LARGE, va='center')
            for column, sample in enumerate(nearest[index][:SAMPLES]):
                left = start + _LABEL + column * (_CELL + _GAP)
                draw_sample(figure.add_axes((left / width, low / height, _CELL / width, _CELL / height)), sample)


def _blocks(groups: Mapping[str, Sequence[int]]) -> list[tuple[str, str, Sequence[int]]]:
    """Colour, title and atoms of the left and of the right half: two groups, or one group in two halves."""
    if len(groups) == 2:
        return [(color, title, group) for color, (title, group) in zip((VERMILLION, BLUE), groups.items(), strict=True)]
    (title, group), = groups.items()
    middle = -(-len(group) // 2)
    return [(VERMILLION, title, group[:middle]), (VERMILLION, '', group[middle:])]


def _tidy(axes: Axes) -> None:
    axes.spines[['top', 'right']].set_visible(False)
    axes.tick_params(labelsize=SMALL, colors=INK)
