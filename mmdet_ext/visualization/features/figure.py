"""A figure of feature maps: a row for each network, from shallow to deep (as figures 2 and 6 of YOLOv9).

https://arxiv.org/abs/2402.13616
"""
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mmcv.transforms import Compose

from mmdet_ext.cell_grid import CellGrid
from mmdet_ext.lettering import shorten

from ..images import batch_of, read_image
from ..style import DPI, GREY, INK, LARGE, NORMAL, SEQUENTIAL, SMALL, plain, save_image
from .depth import FeatureMap, maps_of

TITLES = dict(norm='length of the feature', mean='mean |x| over channels', pca='first principal component of each map')
_CELL = 1.5  # inches, longer side of a map
_LEAST_WIDTH = 1.2  # inches, for the letters above a map
_STRIDE = 32


def draw_depth(models: Mapping[str, nn.Module], image_file: str | os.PathLike, path: str | os.PathLike, *,
               measure: str = 'mean', patterns: Sequence[str] = (), number: int = 6, size: int = 640) -> Path:
    """Write one PNG: a row for each model, with the image and its feature maps from shallow to deep.

    All models see the image with its long side `size`, normalised as each one's preprocessor does. Each map has its own
    scale of colours, from its 1st to its 99th percentile on the image.

    Args:
        models: Detectors by their names.
        image_file: The image.
        path: PNG to write.
        measure: See `maps_of`.
        patterns: See `maps_of`.
        number: See `maps_of`.
        size: Longer side in pixels, a multiple of 32.

    Raises:
        FileNotFoundError: There is no such image.
        ValueError: It cannot be decoded, or a model has no layer of a pattern; names the model.
    """
    image = read_image(image_file)
    pipeline = Compose([
        dict(type='LoadImageFromFile'), dict(type='YOLOResize', size=size), dict(type='RectLetterbox', stride=_STRIDE),
        dict(type='PackDetInputs', meta_keys=('img_path', 'ori_shape', 'img_shape', 'scale_factor', 'pad_param'))])
    rows = {}
    for name, model in models.items():
        batch = batch_of(image_file, model, pipeline)
        inputs = batch['inputs']
        try:
            maps = maps_of(model, inputs, measure, patterns=patterns, number=number)
        except ValueError as error:
            raise ValueError(f'{name}: {error}') from error
        meta = batch['data_samples'][0].metainfo
        rows[name] = [(layer, CellGrid.from_meta(meta, inputs.shape[-2:], layer.values.shape)) for layer in maps]
    return save_image(_pixels(_figure(image, rows, f'{Path(image_file).name}: {TITLES[measure]}')), path)


def _figure(image: np.ndarray, rows: Mapping[str, Sequence[tuple[FeatureMap, CellGrid]]], title: str) -> Figure:
    height, width = image.shape[:2]
    columns = 1 + max(map(len, rows.values()))
    wide, high = (_CELL * side / max(height, width) for side in (width, height))
    figure = Figure((columns * (max(wide, _LEAST_WIDTH) + 0.1) + 0.3, len(rows) * (high + 0.6) + 0.3),
                    layout='constrained')
    figure.suptitle(title, fontsize=LARGE, color=INK, x=0.01, ha='left', parse_math=False)
    cells = figure.subplots(len(rows), columns, squeeze=False)
    for row, (name, maps) in zip(cells, rows.items()):
        for axes in row[1 + len(maps):]:
            axes.remove()
        for axes in row[:1 + len(maps)]:
            plain(axes).set(xlim=(0, width), ylim=(height, 0), aspect='equal')
        row[0].imshow(image, extent=(0, width, height, 0), interpolation='bilinear')
        row[0].set_ylabel(shorten(name, 24), fontsize=NORMAL, color=INK)
        for axes, (layer, grid) in zip(row[1:], maps):
            _draw_map(axes, layer, grid)
    return figure


def _pixels(figure: Figure) -> np.ndarray:
    """What a figure looks like, as (H, W, 3), uint8 BGR."""
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(DPI)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., 2::-1]


def _draw_map(axes: Axes, layer: FeatureMap, grid: CellGrid) -> None:
    left, top, right, bottom = grid.extent
    limits = axes.get_xlim(), axes.get_ylim()
    inside = layer.values[grid.inside()]
    if not len(inside):
        axes.text(0.5, 0.5, 'no cell in\nthe image', transform=axes.transAxes, ha='center', va='center', fontsize=SMALL,
                  color=GREY)
    elif inside.isfinite().all():
        low, high = torch.quantile(inside, torch.tensor([0.01, 0.99])).tolist()
        axes.imshow(layer.values.numpy(), extent=(left, right, bottom, top), interpolation='nearest', cmap=SEQUENTIAL,
                    vmin=low, vmax=high)
        axes.set(xlim=limits[0], ylim=limits[1])
    else:
        axes.text(0.5, 0.5, 'not finite', transform=axes.transAxes, ha='center', va='center', fontsize=SMALL,
                  color=GREY)
    name = shorten(layer.layer.removeprefix('backbone.'), 21)
    lines = name, f'stride {layer.stride}, {layer.channels} ch.', f'depth {layer.depth}'
    axes.set_title('\n'.join(lines), fontsize=SMALL, color=INK, pad=3, parse_math=False)
