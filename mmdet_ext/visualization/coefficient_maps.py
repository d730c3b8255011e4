"""Where in a picture an atom is used: its coefficient c' at each cell."""
import os
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from .capture import Capture
from .style import DIVERGING, INK, LARGE, NORMAL, SMALL, draw_pale, outline, plain, save

_CELL = 2.3  # inches, longer side


def draw_coefficient_maps(capture: Capture, indices: Sequence[int], path: str | os.PathLike, *,
                          point: tuple[float, float] | None = None, columns: int = 4) -> None:
    """Write one PNG: the picture, and over a pale copy of it the coefficients of each atom, in one scale around 0.

    Args:
        capture: The picture.
        indices: Numbers of the atoms, at least one.
        path: PNG to write.
        point: (x, y) in pixels of the picture, a position to mark.
        columns: Cells of a row at most.

    Raises:
        ValueError: If there is no atom to show, or no such atom.
    """
    unknown = [index for index in indices if index not in range(len(capture.coefficients))]
    if unknown or not indices:
        raise ValueError(f'indices should name atoms in 0..{len(capture.coefficients) - 1}, '
                         f'got {list(unknown or indices)}')
    shown = capture.coefficients[list(indices)]
    limit = shown[:, capture.grid.inside()].abs().max().item()
    scale = Normalize(-limit, limit)
    height, width = capture.grid.size
    wide, high = (_CELL * side / max(height, width) for side in (width, height))
    rows = -(-(len(indices) + 1) // columns)
    columns = -(-(len(indices) + 1) // rows)
    step_x, step_y = wide + 0.15, high + 0.3
    total_width, total_height = max(columns * step_x + 0.95, 4), rows * step_y + 0.3
    figure = Figure((total_width, total_height))
    figure.text(0.15 / total_width, 1 - 0.2 / total_height, f"{capture.path.name}: coefficients c'", fontsize=LARGE,
                color=INK, va='center', parse_math=False)

    def cell(position: int) -> Axes:
        left = 0.15 + position % columns * step_x
        low = total_height - 0.25 - (position // columns + 1) * step_y
        return plain(figure.add_axes((left / total_width, low / total_height, wide / total_width, high / total_height)))

    axes = cell(0)
    axes.imshow(capture.picture, interpolation='bilinear')
    axes.set_title('picture', fontsize=NORMAL, color=INK, pad=3)
    _mark(axes, capture, point)
    for position, (index, values) in enumerate(zip(indices, shown.numpy(), strict=True), 1):
        axes = cell(position)
        drawn = _draw_over(axes, capture, values, scale)
        axes.set_title(f'atom {index}', fontsize=NORMAL, color=INK, pad=3)
        _mark(axes, capture, point)
    bar = figure.add_axes((1 - 0.75 / total_width, 1 - (0.25 + step_y) / total_height, 0.13 / total_width,
                           high / total_height))
    figure.colorbar(drawn, bar).set_label("c'", fontsize=NORMAL, color=INK)
    bar.tick_params(labelsize=SMALL)
    save(figure, path)


def _draw_over(axes: Axes, capture: Capture, values: np.ndarray, scale: Normalize) -> object:
    """Colours over a pale grey copy of the picture; what is around 0 lets it through."""
    left, top, right, bottom = capture.grid.extent
    height, width = capture.grid.size
    draw_pale(axes, capture.picture)
    drawn = axes.imshow(values, cmap=DIVERGING, norm=scale, extent=(left, right, bottom, top), interpolation='bilinear',
                        alpha=np.clip(np.abs(values) / scale.vmax * 1.2, 0, 0.85))
    axes.set(xlim=(0, width), ylim=(height, 0))
    return drawn


def _mark(axes: Axes, capture: Capture, point: tuple[float, float] | None) -> None:
    if point is not None:
        outline(axes, capture.grid.box_of(*capture.grid.cell_at(*point)), width=0.9, least=max(capture.grid.size) / 30)
