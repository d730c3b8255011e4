"""How much each query attends to each map: alpha of SMCA-DETR (https://arxiv.org/abs/2101.07448, section 3.4)."""
import os
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ..style import BLUE, GREY, INK, LARGE, NORMAL, ORANGE, PALE, VERMILLION, save, shorten, tidy
from .capture import SMCACapture

_COLORS, _MARKERS = (BLUE, ORANGE, VERMILLION, GREY), 'o^sD'


class BoxSizes(NamedTuple):
    """Queries in bins by the size of their boxes: median sizes (bins, ) in pixels, and mean alpha (bins, L)."""
    sizes: Tensor
    alpha: Tensor


def alphas(capture: SMCACapture, layer: int) -> Tensor:
    """(Q, L) on the CPU: the weights of the maps, which sum to 1; ones if the decoder does not select scales."""
    return capture.layers[layer].modulation.alpha[0].float().cpu()


def selects_scales(capture: SMCACapture) -> bool:
    """Whether the decoder weights its maps."""
    return capture.layers[0].module.modulation.selection is not None


def favourite_scale(capture: SMCACapture, layer: int, query: int) -> int:
    """The map with the query's largest alpha; the first if the decoder does not select scales."""
    return int(alphas(capture, layer)[query].argmax())


def scale_name(capture: SMCACapture, scale: int) -> str:
    """Number and stride of a map: two maps may have the same stride."""
    return f'scale {scale} (stride {capture.strides[scale]:g})'


def box_sizes(capture: SMCACapture) -> Tensor:
    """(Q, ): root of the area of each query's box, in pixels of the image."""
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
        capture: The image; the decoder selects scales.
        names: What to call the chosen queries, by their numbers.
        path: PNG to write.
    """
    figure = Figure((max(1.9 * len(names) + 5, 7), 4.5), layout='constrained')
    figure.suptitle(f'{capture.path.name}: alpha, the weights of the scales', fontsize=LARGE + 1.5, color=INK,
                    parse_math=False)
    panels = figure.subplot_mosaic([[*names, 'sizes']], width_ratios=[*(1. for _ in names), 2.4])
    for query, name in names.items():
        _draw_bars(panels[query], capture, query)
        panels[query].set_title(f'query {query}\n{shorten(name, 24)}', fontsize=NORMAL, color=INK, parse_math=False)
    panels[next(iter(names))].set_ylabel('alpha', fontsize=NORMAL, color=INK)
    _draw_scatter(panels['sizes'], capture)
    figure.legend(*panels['sizes'].get_legend_handles_labels(), loc='outside lower left', ncols=len(capture.strides),
                  frameon=False, fontsize=NORMAL)
    save(figure, path)


def _draw_bars(axes: Axes, capture: SMCACapture, query: int) -> None:
    """A bar per layer, divided into the maps' shares: the finest map at the bottom."""
    shares = np.stack([alphas(capture, layer)[query].numpy() for layer in range(len(capture.layers))])  # (layers, L)
    for scale, heights in enumerate(shares.T):
        axes.bar(range(len(shares)), heights, bottom=shares[:, :scale].sum(axis=1), width=0.8, edgecolor='white',
                 linewidth=0.5, color=_COLORS[scale % len(_COLORS)])
    tidy(axes).set(ylim=(0, 1), xlim=(-0.6, len(shares) - 0.4), xticks=range(len(shares)))
    axes.set_xlabel('layer', fontsize=NORMAL, color=INK)


def _draw_scatter(axes: Axes, capture: SMCACapture) -> None:
    alpha, sizes = alphas(capture, len(capture.layers) - 1), box_sizes(capture)
    means = alpha_by_size(sizes, alpha)
    for scale in range(len(capture.strides)):
        color, marker = _COLORS[scale % len(_COLORS)], _MARKERS[scale % len(_MARKERS)]
        axes.plot(sizes, alpha[:, scale], marker, color=color, markersize=3, markeredgewidth=0, alpha=0.45)
        axes.plot(means.sizes, means.alpha[:, scale], marker, linestyle='-', color=color, markersize=5.5, linewidth=1.6,
                  markeredgecolor='white', markeredgewidth=0.7, label=scale_name(capture, scale))
    axes.axhline(1 / len(capture.strides), color=PALE, linewidth=0.8, zorder=0)
    tidy(axes).set_ylim(0, 1)
    axes.set_xlabel('size of the predicted box: root of its area in pixels of the image', fontsize=NORMAL, color=INK)
    axes.set_title(f'all {len(alpha)} queries, layer {len(capture.layers) - 1};\nlines: means of queries with boxes of '
                   'about one size', fontsize=NORMAL, color=INK)
