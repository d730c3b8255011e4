"""Which atoms a position of an image is made of: figure 4 of YOLO-RD (https://arxiv.org/abs/2410.15346)."""
import os
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from torch import Tensor

from ..style import BLUE, GREY, INK, LARGE, NORMAL, PALE, SMALL, VERMILLION, outline, plain, save, tidy
from .capture import Capture
from .query import Query
from .samples import ROW, draw_rows
from .training_set import SAMPLES

_WIDTH, _PLOTS = 12.6, 4.1  # inches


def draw_query(capture: Capture, query: Query, nearest: Sequence[Sequence[dict[str, Any]]] | None,
               path: str | os.PathLike) -> None:
    """Write one PNG: a position, its correlations and coefficients, and samples of the atoms in question.

    `nearest` is that of a `Provenance`; None leaves the samples out.
    """
    blocks = _blocks(query.groups)
    rows = max(len(group) for _, _, group in blocks) if nearest is not None else 0
    head = 0.5 + 0.17 * len(query.notes)
    heights = [head, _PLOTS, *([0.35 + rows * ROW] if rows else [])]
    figure = Figure((_WIDTH, sum(heights)))
    parts = figure.subfigures(len(heights), height_ratios=heights)
    (x, y), (row, column) = query.point, query.cell
    title = f'{capture.path.name}: atoms at x = {x:.0f}, y = {y:.0f} (cell: row {row}, column {column})'
    parts[0].text(0.012, 1 - 0.22 / head, title, fontsize=LARGE + 1.5, color=INK, va='center', parse_math=False)
    parts[0].text(0.012, 1 - 0.36 / head, '\n'.join(query.notes), fontsize=NORMAL, color=INK, va='top',
                  parse_math=False)
    series = {f'cos(x, {name} i)': values for name, values in query.correlations.items()}
    series["coefficient c'$_i$"] = query.coefficients
    panels = parts[1].subplot_mosaic(
        [['image', name, 'scatter'] for name in series], width_ratios=(3.6, 4.2, 3.1),
        gridspec_kw=dict(left=0.012, right=0.985, bottom=0.12, top=0.92, wspace=0.2, hspace=0.12))
    _draw_image(panels['image'], capture, query)
    for name, values in series.items():
        _draw_series(panels[name], name, values, query.groups)
        panels[name].tick_params(labelbottom=name == list(series)[-1])
    panels[list(series)[-1]].set_xlabel('atom i', fontsize=NORMAL, color=INK)
    _draw_scatter(panels['scatter'], query)
    if rows:
        for part, block in zip(parts[2].subfigures(1, 2), blocks):
            _draw_group(part, query, nearest, *block, rows)
    save(figure, path)


def _draw_image(axes: Axes, capture: Capture, query: Query) -> None:
    plain(axes).imshow(capture.image, interpolation='bilinear')
    axes.set_anchor('N')
    height, width = capture.grid.size
    # a cell may be a few pixels of a large image
    outline(axes, capture.grid.box_of(*query.cell), width=1.6, least=max(height, width) / 40)
    axes.set(xlim=(0, width), ylim=(height, 0))


def _draw_series(axes: Axes, name: str, values: Tensor, groups: Mapping[str, Sequence[int]]) -> None:
    axes.vlines(range(len(values)), 0, values.numpy(), color=GREY, linewidth=max(0.4, min(2.0, 200 / len(values))))
    for color, group in zip((VERMILLION, BLUE), map(list, groups.values())):
        axes.vlines(group, 0, values[group].numpy(), color=color, linewidth=1.4)
        axes.plot(group, values[group].numpy(), 'o', color=color, markersize=3.5)
    axes.axhline(0, color=INK, linewidth=0.6)
    axes.set_ylabel(name, fontsize=NORMAL, color=INK)
    axes.set_xlim(-1, len(values))
    axes.margins(y=0.1)
    tidy(axes)


def _draw_scatter(axes: Axes, query: Query) -> None:
    name, values = list(query.correlations.items())[-1]
    axes.axhline(0, color=PALE, linewidth=0.8, zorder=0)
    axes.axvline(0, color=PALE, linewidth=0.8, zorder=0)
    axes.plot(values.numpy(), query.coefficients.numpy(), 'o', color=GREY, markersize=3, markeredgewidth=0, alpha=0.7)
    for color, marker, (title, group) in zip((VERMILLION, BLUE), 'o^', query.groups.items()):
        axes.plot(values[list(group)].numpy(), query.coefficients[list(group)].numpy(), marker, color=color,
                  markersize=5.5, label=title)
    axes.set_xlabel(f'cos(x, {name} i)', fontsize=NORMAL, color=INK)
    axes.set_ylabel("coefficient c'$_i$", fontsize=NORMAL, color=INK)
    tidy(axes).legend(fontsize=SMALL, loc='lower center', bbox_to_anchor=(0.5, 1), ncols=2, frameon=False,
                      handletextpad=0.3, columnspacing=1)


def _draw_group(figure: SubFigure, query: Query, nearest: Sequence[Sequence[dict[str, Any]]], color: str, title: str,
                group: Sequence[int], rows: int) -> None:
    figure.text(0.024, 1 - 0.15 / (0.35 + rows * ROW), title, fontsize=LARGE, color=color, va='center')
    values = list(query.correlations.values())[-1]
    labels = [(f'atom {index}', f'cos {values[index]:z.2f}', f"c' {query.coefficients[index]:z.2f}")
              for index in group]  # z: no -0.00
    missing = rows - len(group)
    draw_rows(figure, labels + [()] * missing, [nearest[index] for index in group] + [()] * missing, SAMPLES,
              top=rows * ROW / (0.35 + rows * ROW), left=0.024)


def _blocks(groups: Mapping[str, Sequence[int]]) -> list[tuple[str, str, Sequence[int]]]:
    """Colour, title and atoms of the left and of the right half: two groups, or one group in two halves."""
    if len(groups) == 2:
        return [(color, title, group) for color, (title, group) in zip((VERMILLION, BLUE), groups.items(), strict=True)]
    (title, group), = groups.items()
    middle = -(-len(group) // 2)
    return [(VERMILLION, title, group[:middle]), (VERMILLION, '', group[middle:])]
