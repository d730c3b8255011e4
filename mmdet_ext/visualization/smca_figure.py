"""A query of SMCA-DETR (https://arxiv.org/abs/2101.07448) on a picture: its box, Gaussians and attention."""
import os
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import Tensor

from .attention_maps import attention_maps
from .centre_marks import draw_centres, mark_centre
from .gaussians import gaussians, head_centres, reference_centre
from .scale_selection import alphas, scale_name, selects_scales
from .smca_capture import SMCACapture
from .style import INK, LARGE, NORMAL, SMALL, VIVID, draw_pale, outline, plain, save

_CELL = 1.12  # inches, root of a map's area
_MARGIN, _GAP, _LABEL, _BAR = 0.15, 0.07, 0.45, 0.6  # around all, between maps, before and behind them
_HEAD, _TITLE, _BELOW, _CAPTION = 0.4, 0.22, 0.17, 0.42  # above all, above a layer, below a row, below all
_RASTER = 200  # points of a map's longer side
_EXPLANATION = ("Square: centre of the query. Numbers and crosses: centres of the heads' Gaussians; a triangle at the "
                'border points to one outside. Attention: softmax($q\\cdot k/\\sqrt{d}+\\log G$), each map in '
                'its own scale.')


class _Sizes(NamedTuple):
    """Inches, width and height, of a map, the picture and the figure; and the height of a layer, two rows of maps."""
    cell: tuple[float, float]
    picture: tuple[float, float]
    figure: tuple[float, float]
    layer: float

    @classmethod
    def of(cls, aspect: float, layers: int, heads: int) -> '_Sizes':
        wide, high = _CELL * aspect**0.5, _CELL / aspect**0.5
        tall = 2 * high + _BELOW
        layer = _TITLE + tall + _BELOW + 0.08
        width = _MARGIN + tall * aspect + _LABEL + heads * (wide + _GAP) + _BAR
        return cls((wide, high), (tall * aspect, tall), (width, _HEAD + layers * layer + _CAPTION), layer)


def draw_query_maps(capture: SMCACapture, query: int, name: str, scales: Mapping[int, int],
                    path: str | os.PathLike) -> None:
    """Write one PNG: for each layer the picture with the centres, and a Gaussian and the attention of each head.

    Args:
        capture: The picture.
        query: Number of the query.
        name: Its class and score.
        scales: By the number of each layer to show, the number of the map to show it on.
        path: PNG to write.
    """
    height, width = capture.picture.shape[:2]
    sizes = _Sizes.of(width / height, len(scales), capture.layers[0].layer.modulation.num_heads)
    total_width, total_height = sizes.figure
    figure = Figure(sizes.figure)
    figure.text(_MARGIN / total_width, 1 - 0.2 / total_height, f'{capture.path.name}: query {query}, {name}',
                fontsize=LARGE + 1.5, color=INK, va='center', parse_math=False)
    for position, (layer, scale) in enumerate(scales.items()):
        _draw_layer(figure, sizes, total_height - _HEAD - position * sizes.layer, capture, query, layer, scale)
    figure.text(_MARGIN / total_width, 0.2 / total_height, _EXPLANATION, fontsize=NORMAL, color=INK, va='center')
    save(figure, path)


def _draw_layer(figure: Figure, sizes: _Sizes, top: float, capture: SMCACapture, query: int, layer: int,
                scale: int) -> None:
    total_width, total_height = sizes.figure
    wide, high = sizes.cell

    def axes(left: float, below: float, width: float, height: float) -> Axes:
        """Inches, `below` from the top of the layer to the bottom of the axes."""
        return figure.add_axes((left / total_width, (top - below) / total_height, width / total_width,
                                height / total_height))

    centres = head_centres(capture, layer, query, scale)
    picture = plain(axes(_MARGIN, _TITLE + sizes.picture[1], *sizes.picture))
    picture.set_title(_layer_title(capture, query, layer, scale), fontsize=NORMAL, color=INK, pad=3, loc='left')
    _draw_picture(picture, capture, query, centres)
    rows = {'Gaussian $G$': gaussians(capture, layer, query, scale),
            'attention': attention_maps(capture, layer, query, scale)}
    start = _MARGIN + sizes.picture[0] + _LABEL
    for row, (label, maps) in enumerate(rows.items()):
        below = _TITLE + (row + 1) * high + row * _BELOW
        limits = maps.flatten(1).amax(dim=1).tolist() if row else [1.] * len(maps)
        for head, (values, limit) in enumerate(zip(_raster(capture, maps, scale), limits, strict=True)):
            cell = plain(axes(start + head * (wide + _GAP), below, wide, high))
            drawn = _draw_map(cell, capture, values, limit)
            mark_centre(cell, centres[head].tolist())
            if row:
                cell.set_xlabel(f'max {limit:.2g}', fontsize=SMALL, color=INK, labelpad=2)
            else:
                cell.set_title(f'head {head}', fontsize=NORMAL, color=INK, pad=3)
            if head == 0:
                cell.set_ylabel(label, fontsize=NORMAL, color=INK, labelpad=3)
        bar = axes(start + len(maps) * (wide + _GAP) + 0.04, below, 0.1, high)
        figure.colorbar(drawn, bar, ticks=(0, limits[-1]))
        bar.set_yticklabels(('0', 'max' if row else '1'), fontsize=SMALL)


def _layer_title(capture: SMCACapture, query: int, layer: int, scale: int) -> str:
    title = f'layer {layer}'
    if len(capture.strides) > 1:
        title += f', {scale_name(capture, scale)}'
    if selects_scales(capture):
        title += f', alpha {alphas(capture, layer)[query, scale]:.2f}'
    return title


def _draw_picture(axes: Axes, capture: SMCACapture, query: int, centres: Tensor) -> None:
    height, width = capture.picture.shape[:2]
    axes.imshow(capture.picture, interpolation='bilinear', extent=(0, width, height, 0))
    axes.set(xlim=(0, width), ylim=(height, 0))
    corners = capture.predictions.bboxes[query].view(2, 2)
    outline(axes, corners.clamp(min=corners.new_zeros(2), max=corners.new_tensor([width, height])).flatten().tolist(),
            width=1.4)
    draw_centres(axes, reference_centre(capture, query).tolist(), centres.tolist())


def _draw_map(axes: Axes, capture: SMCACapture, values: np.ndarray, limit: float) -> AxesImage:
    """Colours for a raster of values 0..limit; a pale copy of the picture shows through where they are low."""
    height, width = capture.picture.shape[:2]
    draw_pale(axes, capture.picture)
    drawn = axes.imshow(values, cmap=VIVID, vmin=0, vmax=limit, extent=(0, width, height, 0), interpolation='bilinear',
                        alpha=np.clip(1.6 * values / limit, 0, 0.85))
    axes.set(xlim=(0, width), ylim=(height, 0))
    return drawn


def _raster(capture: SMCACapture, maps: Tensor, scale: int) -> np.ndarray:
    height, width = capture.picture.shape[:2]
    step = max(height, width) / _RASTER
    return capture.grids[scale].resample(maps, (max(1, round(height / step)), max(1, round(width / step)))).numpy()
