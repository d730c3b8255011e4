"""Maps over an image: coefficients of atoms, and features before and after a dictionary (figure 5 of YOLO-RD).

https://arxiv.org/abs/2410.15346
"""
import os
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from ..channels import summarise
from ..style import DIVERGING, INK, LARGE, NORMAL, SEQUENTIAL, SMALL, draw_pale, outline, plain, save
from .capture import Capture

_TITLES = dict(norm='length of the feature', mean='mean |x| over channels', pca="first principal component of 'before'")
_CELL = 2.3  # inches, longer side of a map


def draw_coefficient_maps(capture: Capture, indices: Sequence[int], path: str | os.PathLike, *,
                          point: tuple[float, float] | None = None) -> None:
    """Write one PNG: the image, and over a pale copy of it the coefficients of each atom, in one scale around 0.

    Args:
        capture: The image.
        indices: Numbers of the atoms, at least one; ValueError for none or others.
        path: PNG to write.
        point: (x, y) in pixels of the image, a position to mark.
    """
    unknown = [index for index in indices if index not in range(len(capture.coefficients))]
    if unknown or not indices:
        raise ValueError(f'indices should name atoms in 0..{len(capture.coefficients) - 1}, '
                         f'got {list(unknown or indices)}')
    shown = capture.coefficients[list(indices)]
    limit = shown[:, capture.grid.inside()].abs().max().item()
    figure, cells = _figure(capture, len(indices) + 1, "coefficients c'")
    for axes, index, values in zip(cells[1:], indices, shown.numpy(), strict=True):
        draw_pale(axes, capture.image)
        drawn = _draw_map(axes, capture, values, cmap=DIVERGING, norm=Normalize(-limit, limit),
                          alpha=np.clip(np.abs(values) / limit * 1.2, 0, 0.85))  # what is around 0 lets it through
        axes.set_title(f'atom {index}', fontsize=NORMAL, color=INK, pad=3)
    if point is not None:
        box = capture.grid.box_of(*capture.grid.cell_at(*point))
        for axes in cells:
            outline(axes, box, width=0.9, least=max(capture.grid.size) / 30)
    bar = figure.colorbar(drawn, ax=cells, fraction=0.05)
    bar.set_label("c'", fontsize=NORMAL, color=INK)
    bar.ax.tick_params(labelsize=SMALL)
    save(figure, path)


def draw_features(capture: Capture, path: str | os.PathLike, measure: str = 'norm') -> None:
    """Write one PNG: the image, the features before and after the dictionary, and the retrieved term alone.

    Each map has its own scale from its smallest to its largest `summarise`d value on the image, in the same colours.
    """
    inside = capture.grid.inside()
    panels = {'before the dictionary': capture.before, 'after the dictionary': capture.after,
              'retrieved': capture.retrieved}
    figure, cells = _figure(capture, 4, _TITLES[measure])
    for axes, (title, maps) in zip(cells[1:], panels.items(), strict=True):
        values = summarise(maps, measure, capture.before[:, inside])
        low, high = values[inside].min().item(), values[inside].max().item()
        drawn = _draw_map(axes, capture, values.numpy(), cmap=SEQUENTIAL, vmin=low, vmax=high)
        axes.set_title(title, fontsize=NORMAL, color=INK, pad=3)
        axes.set_xlabel(f'{low:.3g} to {high:.3g}', fontsize=SMALL, color=INK, labelpad=2)
    bar = figure.colorbar(drawn, ax=cells, ticks=(low, high), fraction=0.05)
    bar.ax.set_yticklabels(('smallest', 'largest'), fontsize=SMALL)
    save(figure, path)


def _figure(capture: Capture, count: int, title: str) -> tuple[Figure, list[Axes]]:
    """A figure of `count` cells, the first of which shows the image."""
    height, width = capture.grid.size
    rows = -(-count // 4)
    columns = -(-count // rows)
    wide, high = (_CELL * side / max(height, width) for side in (width, height))
    figure = Figure((max(columns * (wide + 0.15) + 1, 4), rows * (high + 0.4) + 0.4), layout='constrained')
    figure.suptitle(f'{capture.path.name}: {title}', fontsize=LARGE, color=INK, x=0.01, ha='left', parse_math=False)
    cells = figure.subplots(rows, columns, squeeze=False).flatten().tolist()
    for axes in cells[count:]:
        axes.remove()
    for axes in cells[:count]:
        plain(axes).set(xlim=(0, width), ylim=(height, 0), aspect='equal')
    cells[0].imshow(capture.image, extent=(0, width, height, 0), interpolation='bilinear')
    cells[0].set_title('image', fontsize=NORMAL, color=INK, pad=3)
    return figure, cells[:count]


def _draw_map(axes: Axes, capture: Capture, values: np.ndarray, **options: object) -> object:
    left, top, right, bottom = capture.grid.extent
    limits = axes.get_xlim(), axes.get_ylim()
    drawn = axes.imshow(values, extent=(left, right, bottom, top), interpolation='bilinear', **options)
    axes.set(xlim=limits[0], ylim=limits[1])
    return drawn
