"""How much each query attends to each map: alpha of SMCA-DETR (https://arxiv.org/abs/2101.07448, section 3.4)."""
import os
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from .smca_capture import SMCACapture
from .style import BLUE, GREY, INK, LARGE, NORMAL, ORANGE, PALE, SMALL, VERMILLION, save, shorten

_COLORS, _MARKERS = (BLUE, ORANGE, VERMILLION, GREY), 'o^sD'
_MARGIN, _LABEL, _BARS, _GAP, _SCATTER, _HIGH = 0.15, 0.45, 1.75, 0.12, 4.2, 2.9  # inches
_BELOW, _ABOVE = 0.8, 0.8


class BoxSizes(NamedTuple):
    """Queries in bins by the size of their boxes: median sizes (bins, ) in pixels, and mean alpha (bins, L)."""
    sizes: Tensor
    alpha: Tensor


def alphas(capture: SMCACapture, layer: int) -> Tensor:
    """(Q, L) on the CPU: the weights of the maps, which sum to 1; ones if the decoder does not select scales."""
    return capture.layers[layer].modulation.alpha[0].float().cpu()


def selects_scales(capture: SMCACapture) -> bool:
    """Whether the decoder weights its maps."""
    return capture.layers[0].layer.modulation.selection is not None


def favourite_scale(capture: SMCACapture, layer: int, query: int) -> int:
    """The map with the query's largest alpha; the first if the decoder does not select scales."""
    return int(alphas(capture, layer)[query].argmax())


def scale_name(capture: SMCACapture, scale: int) -> str:
    """Number and stride of a map: two maps may have the same stride."""
    return f'scale {scale} (stride {capture.strides[scale]:g})'


def box_sizes(capture: SMCACapture) -> Tensor:
    """(Q, ): root of the area of each query's box, in pixels of the picture."""
    x1, y1, x2, y2 = capture.predictions.bboxes.unbind(dim=1)
    return ((x2 - x1) * (y2 - y1)).sqrt()


def alpha_by_size(sizes: Tensor, alpha: Tensor, bins: int = 8) -> BoxSizes:
    """Mean alpha (Q, L) of queries whose boxes have about the same size (Q, )."""
    groups = sizes.argsort().tensor_split(min(bins, len(sizes)))
    return BoxSizes(torch.stack([sizes[group].median() for group in groups]),
                    torch.stack([alpha[group].mean(dim=0) for group in groups]))


def draw_scale_selection(capture: SMCACapture, names: Mapping[int, str], path: str | os.PathLike) -> None:
    """Write one PNG: alpha of chosen queries in each layer, and of all queries of the last layer by size of their box.

    Args:
        capture: The picture; the decoder selects scales.
        names: What to call the chosen queries, by their numbers.
        path: PNG to write.
    """
    width = 2 * _MARGIN + 2 * _LABEL + len(names) * (_BARS + _GAP) + _SCATTER
    height = _BELOW + _HIGH + _ABOVE
    figure = Figure((width, height))
    figure.text(_MARGIN / width, 1 - 0.2 / height, f'{capture.path.name}: alpha, the weights of the scales',
                fontsize=LARGE + 1.5, color=INK, va='center', parse_math=False)

    def axes_at(left: float, wide: float) -> Axes:
        return figure.add_axes((left / width, _BELOW / height, wide / width, _HIGH / height))

    for position, (query, name) in enumerate(names.items()):
        axes = axes_at(_MARGIN + _LABEL + position * (_BARS + _GAP), _BARS)
        _draw_bars(axes, capture, query)
        axes.set_title(f'query {query}\n{shorten(name, 24)}', fontsize=NORMAL, color=INK, pad=4, parse_math=False)
        axes.tick_params(labelleft=position == 0)
        if position == 0:
            axes.set_ylabel('alpha', fontsize=NORMAL, color=INK)
    axes = axes_at(width - _MARGIN - _SCATTER, _SCATTER)
    _draw_scatter(axes, capture)
    figure.legend(*axes.get_legend_handles_labels(), loc='lower left', ncols=len(capture.strides), frameon=False,
                  fontsize=NORMAL, bbox_to_anchor=(_MARGIN / width, 0), handletextpad=0.3, columnspacing=1.2)
    save(figure, path)


def _draw_bars(axes: Axes, capture: SMCACapture, query: int) -> None:
    """A bar per layer, divided into the maps' shares: the finest map at the bottom."""
    found = np.stack([alphas(capture, layer)[query].numpy() for layer in range(len(capture.layers))])  # (layers, L)
    for scale, shares in enumerate(found.T):
        axes.bar(range(len(found)), shares, bottom=found[:, :scale].sum(axis=1), width=0.8, edgecolor='white',
                 linewidth=0.5, color=_COLORS[scale % len(_COLORS)])
    axes.set(ylim=(0, 1), xlim=(-0.6, len(found) - 0.4), xticks=range(len(found)))
    axes.set_xlabel('layer', fontsize=NORMAL, color=INK)
    _tidy(axes)


def _draw_scatter(axes: Axes, capture: SMCACapture) -> None:
    alpha, sizes = alphas(capture, len(capture.layers) - 1), box_sizes(capture)
    means = alpha_by_size(sizes, alpha)
    for scale in range(len(capture.strides)):
        color, marker = _COLORS[scale % len(_COLORS)], _MARKERS[scale % len(_MARKERS)]
        axes.plot(sizes, alpha[:, scale], marker, color=color, markersize=3, markeredgewidth=0, alpha=0.45)
        axes.plot(means.sizes, means.alpha[:, scale], marker, linestyle='-', color=color, markersize=5.5, linewidth=1.6,
                  markeredgecolor='white', markeredgewidth=0.7, label=scale_name(capture, scale))
    axes.axhline(1 / len(capture.strides), color=PALE, linewidth=0.8, zorder=0)
    axes.set(ylim=(0, 1))
    axes.set_xlabel('size of the predicted box: root of its area in pixels of the picture', fontsize=NORMAL, color=INK)
    axes.set_title(f'all {len(alpha)} queries, layer {len(capture.layers) - 1};\nlines: means of queries with boxes of '
                   'about one size', fontsize=NORMAL, color=INK, pad=4)
    _tidy(axes)


def _tidy(axes: Axes) -> None:
    axes.spines[['top', 'right']].set_visible(False)
    axes.tick_params(labelsize=SMALL, colors=INK)
