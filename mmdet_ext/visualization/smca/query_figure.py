"""A query of SMCA-DETR (https://arxiv.org/abs/2101.07448) on an image: its box, Gaussians and attention."""
import os
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import Tensor
from torchvision.ops import clip_boxes_to_image

from ..style import INK, LARGE, NORMAL, SMALL, VIVID, draw_pale, outline, plain, save
from .capture import SMCACapture
from .centre_marks import draw_centres, mark_centre
from .maps import attention_maps, gaussians, head_centres, reference_centre

_CELL = 1.12  # inches, root of a map's area
_RASTER = 200  # points of a map's longer side
_KINDS = dict(Gaussian=gaussians, attention=attention_maps)
_EXPLANATION = ("Square: centre of the query. Numbers and crosses: centres of the heads' Gaussians; a triangle at the "
                'border points to one outside.\nAttention: softmax($q\\cdot k/\\sqrt{d}+\\log G$), each map in '
                'its own scale.')


def draw_query_maps(capture: SMCACapture, query: int, name: str, scales: Mapping[int, int],
                    path: str | os.PathLike) -> None:
    """Write one PNG: for each layer the image with the centres, and a Gaussian and the attention of each head.

    `name` is the query's class and score; `scales` has, by the number of each layer to show, the number of its map.
    """
    height, width = capture.image.shape[:2]
    map_width, map_height = _CELL * (width / height)**0.5 + 0.07, _CELL * (height / width)**0.5 + 0.3  # with its title
    heads = range(capture.decoder.layers[0].modulation.num_heads)
    image_width = 2 * map_height * width / height
    figure = Figure((max(image_width + len(heads) * map_width + 0.9, 6.5), 2 * map_height * len(scales) + 1),
                    layout='constrained')
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0, hspace=0)
    figure.suptitle(f'{capture.path.name}: query {query}, {name}', fontsize=LARGE + 1.5, color=INK, parse_math=False)
    figure.supxlabel(_EXPLANATION, fontsize=NORMAL, color=INK)
    panels = figure.subplot_mosaic(
        [[f'{layer}', *(f'{layer} {kind} {head}' for head in heads), f'{layer} {kind} bar']
         for layer in scales for kind in _KINDS],
        width_ratios=[image_width, *(map_width for _ in heads), 0.1])
    for layer, scale in scales.items():
        _draw_image(panels[f'{layer}'], capture, query, layer, scale)
        for kind, compute in _KINDS.items():
            maps = compute(capture, layer, query, scale)
            limits = [1.] * len(maps) if kind == 'Gaussian' else maps.flatten(1).amax(dim=1).tolist()
            for head, (values, limit) in enumerate(zip(_raster(capture, maps, scale), limits, strict=True)):
                axes = panels[f'{layer} {kind} {head}']
                drawn = _draw_map(axes, capture, values, limit)
                axes.set_title(f'head {head}' if kind == 'Gaussian' else f'max {limit:.2g}', fontsize=SMALL, color=INK,
                               pad=3)
            panels[f'{layer} {kind} 0'].set_ylabel(kind, fontsize=NORMAL, color=INK, labelpad=3)
            bar = panels[f'{layer} {kind} bar']
            figure.colorbar(drawn, bar, ticks=(0, limits[-1]))
            bar.set_yticklabels(('0', '1' if kind == 'Gaussian' else 'max'), fontsize=SMALL)
    figure.draw_without_rendering()  # marks at a border need to know how large the axes are
    for layer, scale in scales.items():
        centres = head_centres(capture, layer, query, scale).numpy()
        draw_centres(panels[f'{layer}'], reference_centre(capture, query).numpy(), centres)
        for kind in _KINDS:
            for head, centre in enumerate(centres):
                mark_centre(panels[f'{layer} {kind} {head}'], centre)
    save(figure, path)


def _draw_image(axes: Axes, capture: SMCACapture, query: int, layer: int, scale: int) -> None:
    height, width = capture.image.shape[:2]
    plain(axes).imshow(capture.image, interpolation='bilinear', extent=(0, width, height, 0))
    outline(axes, clip_boxes_to_image(capture.predictions.bboxes[query], (height, width)).tolist(), width=1.4)
    title = [f'layer {layer}']
    if len(capture.grids) > 1:
        title.append(capture.scale_name(scale))
    if capture.selects_scales:
        title.append(f'alpha {capture.alphas(layer)[query, scale]:.2f}')
    axes.set_title(('\n' if width < 0.75 * height else ', ').join(title), fontsize=NORMAL, color=INK, loc='left')


def _draw_map(axes: Axes, capture: SMCACapture, values: np.ndarray, limit: float) -> AxesImage:
    """Colours for a raster of values 0..limit; a pale copy of the image shows through where they are low."""
    height, width = capture.image.shape[:2]
    draw_pale(plain(axes), capture.image)
    return axes.imshow(values, cmap=VIVID, vmin=0, vmax=limit, extent=(0, width, height, 0), interpolation='bilinear',
                       alpha=np.clip(1.6 * values / limit, 0, 0.85))


def _raster(capture: SMCACapture, maps: Tensor, scale: int) -> np.ndarray:
    height, width = capture.image.shape[:2]
    step = max(height, width) / _RASTER
    return capture.grids[scale].resample(maps, (max(1, round(height / step)), max(1, round(width / step)))).numpy()
