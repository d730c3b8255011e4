"""How much each query attends to each map: alpha of SMCA-DETR (https://arxiv.org/abs/2101.07448, section 3.4)."""
import os
from collections.abc import Mapping

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torchvision.ops import box_area

from ..style import BLUE, GREY, INK, LARGE, NORMAL, ORANGE, PALE, VERMILLION, save, shorten, tidy
from .capture import SMCACapture

_COLORS, _MARKERS = (BLUE, ORANGE, VERMILLION, GREY), 'o^sD'


def alpha_by_size(sizes: Tensor, alpha: Tensor, bins: int = 8) -> tuple[Tensor, Tensor]:
    """Queries in bins by the size of their boxes: sizes (Q, ) -> medians (bins, ); alpha (Q, L) -> means (bins, L)."""
    groups = sizes.argsort().tensor_split(min(bins, len(sizes)))
    return (torch.stack([sizes[group].median() for group in groups]),
            torch.stack([alpha[group].mean(dim=0) for group in groups]))


def draw_scale_selection(capture: SMCACapture, names: Mapping[int, str], path: str | os.PathLike) -> None:
    """Write one PNG: alpha of chosen queries in each layer, and of all queries of the last layer by size of their box.

    The decoder should select scales; `names` says what to call the chosen queries, by their numbers.
    """
    figure = Figure((max(1.9 * len(names) + 5, 7), 4.5), layout='constrained')
    figure.suptitle(f'{capture.path.name}: alpha, the weights of the scales', fontsize=LARGE + 1.5, color=INK,
                    parse_math=False)
    panels = figure.subplot_mosaic([[*names, 'sizes']], width_ratios=[*(1. for _ in names), 2.4])
    shares = torch.stack([capture.alphas(layer) for layer in range(len(capture.layers))])  # (layers, Q, L)
    for query, name in names.items():
        _draw_bars(panels[query], shares[:, query])
        panels[query].set_title(f'query {query}\n{shorten(name, 24)}', fontsize=NORMAL, color=INK, parse_math=False)
    panels[next(iter(names))].set_ylabel('alpha', fontsize=NORMAL, color=INK)
    _draw_scatter(panels['sizes'], capture, shares[-1])
    figure.legend(loc='outside lower left', ncols=len(capture.decoder.strides), frameon=False, fontsize=NORMAL)
    save(figure, path)


def _draw_bars(axes: Axes, shares: Tensor) -> None:
    """A bar per layer, divided into the maps' shares (layers, L): the finest map at the bottom."""
    for scale, (heights, tops) in enumerate(zip(shares.T, shares.cumsum(dim=1).T)):
        axes.bar(range(len(shares)), heights, bottom=tops - heights, width=0.8, edgecolor='white', linewidth=0.5,
                 color=_COLORS[scale % len(_COLORS)])
    tidy(axes).set(ylim=(0, 1), xlim=(-0.6, len(shares) - 0.4), xticks=range(len(shares)))
    axes.set_xlabel('layer', fontsize=NORMAL, color=INK)


def _draw_scatter(axes: Axes, capture: SMCACapture, alpha: Tensor) -> None:
    sizes = box_area(capture.predictions.bboxes).sqrt()
    median_sizes, means = alpha_by_size(sizes, alpha)
    for scale in range(alpha.shape[1]):
        style = dict(color=_COLORS[scale % len(_COLORS)], marker=_MARKERS[scale % len(_MARKERS)])
        axes.plot(sizes, alpha[:, scale], linestyle='', markersize=3, markeredgewidth=0, alpha=0.45, **style)
        axes.plot(median_sizes, means[:, scale], markersize=5.5, linewidth=1.6, markeredgecolor='white',
                  markeredgewidth=0.7, label=capture.scale_name(scale), **style)
    axes.axhline(1 / alpha.shape[1], color=PALE, linewidth=0.8, zorder=0)
    tidy(axes).set_ylim(0, 1)
    axes.set_xlabel('size of the predicted box: root of its area in pixels of the image', fontsize=NORMAL, color=INK)
    axes.set_title(f'all {len(alpha)} queries, layer {len(capture.layers) - 1};\nlines: means of queries with boxes of '
                   'about one size', fontsize=NORMAL, color=INK)
