"""The Gaussians and the attention of a query of SMCA-DETR (https://arxiv.org/abs/2101.07448), head by head."""
from collections.abc import Callable, Sequence
from functools import lru_cache
from html import escape
from pathlib import Path

import torch
import torch.nn as nn
from mmcv.transforms import Compose
from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config

from ..visualization.smca.capture import SMCACapture, SMCAProbe
from ..visualization.smca.maps import attention_maps, gaussians, head_centres, reference_centre
from ..visualization.style import VIVID
from .heat import data_uri, heat, raster_shape

GAUSSIAN, ATTENTION = KINDS = 'Gaussian', 'attention'
_EXPLANATIONS = {
    GAUSSIAN: 'Cross: centre of the Gaussian, 1 there. Square: centre of the query, which all heads share.',
    ATTENTION: 'softmax(q k / &radic;d + log G); each map has its own scale, its largest value is below it.'}


class GaussiansView:
    """What an SMCA-DETR's decoder does with an image.

    Args:
        model: The `SMCADETR`.
        cfg: Its config, for the test pipeline.
    """

    def __init__(self, model: nn.Module, cfg: Config) -> None:
        self.probe = SMCAProbe(model, Compose(get_test_pipeline_cfg(cfg)))
        self.capture: Callable[[Path], SMCACapture] = lru_cache(maxsize=4)(self.probe)

    @property
    def num_layers(self) -> int:
        return len(self.probe.decoder.layers)

    @property
    def strides(self) -> Sequence[float]:
        """Of the maps that the decoder attends to."""
        return self.probe.decoder.strides


def query_of(capture: SMCACapture, box: Sequence[float]) -> int:
    """The number of the query that predicted a box, x1, y1, x2, y2 in pixels: the one whose box is the nearest."""
    distances = (capture.predictions.bboxes - torch.tensor(box)).abs().amax(dim=1)
    return int(distances.argmin())


def gaussians_html(capture: SMCACapture, query: int, title: str, layer: int, scale: int | None, kind: str) -> str:
    """A map for each head.

    Args:
        capture: The image.
        query: Number of the query.
        title: Name and score of its box.
        layer: Number of the decoder layer.
        scale: Number of the map; None for the one with the query's largest alpha.
        kind: One of `KINDS`.
    """
    alphas = capture.alphas(layer)[query]
    scale = int(alphas.argmax()) if scale is None else scale
    maps = (gaussians if kind == GAUSSIAN else attention_maps)(capture, layer, query, scale)
    rasters = capture.grids[scale].resample(maps, raster_shape(capture.grids[scale].size)).numpy()
    limits = [1.] * len(maps) if kind == GAUSSIAN else [value or 1. for value in maps.flatten(1).amax(dim=1).tolist()]
    centres, reference = head_centres(capture, layer, query, scale), reference_centre(capture, query)
    weight = f', alpha {alphas[scale]:.2f}' if capture.selects_scales else ''
    figures = ''.join(
        f'<figure><div class="patch"><img src="{data_uri(heat(capture.image, values, VIVID, 0, limit))}" '
        f'alt="{kind} of head {head}">{_mark(capture, reference, "square")}{_mark(capture, centres[head], "cross")}'
        f'</div><figcaption>head {head}{"" if kind == GAUSSIAN else f": max {limit:.2g}"}</figcaption></figure>'
        for head, (values, limit) in enumerate(zip(rasters, limits, strict=True)))
    return (f'<p><b>{escape(title)}</b>: query {query}, layer {layer}, {capture.scale_name(scale)}{weight}. '
            f'{_EXPLANATIONS[kind]}</p><div class="heads">{figures}</div>')


def _mark(capture: SMCACapture, point: torch.Tensor, kind: str) -> str:
    """A mark at a point in pixels of the image; nothing outside of it."""
    height, width = capture.grids[0].size
    x, y = (point / point.new_tensor([width, height]) * 100).tolist()
    return f'<i class="{kind}" style="left:{x:.1f}%;top:{y:.1f}%"></i>' if 0 <= x <= 100 and 0 <= y <= 100 else ''
