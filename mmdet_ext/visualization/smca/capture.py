"""What SMCA-DETR's decoder (https://arxiv.org/abs/2101.07448) does with an image: queries, Gaussians, predictions."""
import inspect
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn as nn
from mmcv.transforms import Compose
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from mmengine.structures import InstanceData
from torch import Tensor

from mmdet_ext.models.dense_heads import SMCAHead
from mmdet_ext.models.layers import Modulation
from mmdet_ext.models.transformers import Memory, SMCATransformerDecoder
from mmdet_ext.models.transformers.smca_decoder import SMCATransformerDecoderLayer

from mmdet_ext.cell_grid import CellGrid
from ..images import batch_of, read_image


class LayerCapture(NamedTuple):
    """A decoder layer, its Gaussians, and (1, Q, C) what its cross-attention projects to q, positions included."""
    module: SMCATransformerDecoderLayer
    modulation: Modulation
    query: Tensor


@dataclass
class SMCACapture:
    """One image, and what the decoder did with it, as a batch of one on the model's device.

    Args:
        path: File of the image.
        image: (height, width, 3) uint8, RGB, as it is on disk.
        strides: Pixels of the network's input per cell, for each of the L maps (scales).
        grids: Where the cells of each map lie on the image.
        memory: What the decoder attends to.
        centres: (1, Q, L, 2), the queries' centres, x and y in cells of each map.
        smooths: `smooth` of `log_gaussian` for each map.
        layers: One entry per decoder layer.
        predictions: Of each query, with `bboxes` (Q, 4) in pixels of the image, and `scores` and `labels` (Q, ) of
            its best class; on the CPU.
    """
    path: Path
    image: np.ndarray
    strides: Sequence[float]
    grids: Sequence[CellGrid]
    memory: Memory
    centres: Tensor
    smooths: Sequence[float]
    layers: Sequence[LayerCapture]
    predictions: InstanceData

    def best_queries(self, count: int) -> list[int]:
        """The `count` queries with the highest scores, the best first; all if there are not as many."""
        return self.predictions.scores.argsort(descending=True, stable=True)[:count].tolist()


class SMCAProbe:
    """Runs an SMCA-DETR on an image and records what its decoder does.

    Args:
        model: `SMCADETR`; put into evaluation mode.
        pipeline: The config's test pipeline.

    Raises:
        ValueError: If the model has no `SMCATransformerDecoder` with an `SMCAHead`.
    """

    def __init__(self, model: nn.Module, pipeline: Compose) -> None:
        for name, kind in (('decoder', SMCATransformerDecoder), ('bbox_head', SMCAHead)):
            part = getattr(model, name, None)
            if not isinstance(part, kind):
                raise ValueError(f'{name} of the model should be a {kind.__name__}, and {type(model).__name__} has '
                                 f'{"none" if part is None else f"a {type(part).__name__}"}')
        self.model = model.eval()
        self.decoder: SMCATransformerDecoder = model.decoder
        self.pipeline = pipeline

    @torch.no_grad()
    def __call__(self, path: str | os.PathLike) -> SMCACapture:
        """Raises FileNotFoundError or ValueError, which name the file, if there is no such image."""
        image = read_image(path)
        batch = batch_of(path, self.model, self.pipeline)
        layers = [f'decoder.layers.{i}' for i in range(len(self.decoder.layers))]
        watched = [f'{layer}{part}' for layer in layers for part in ('', '.modulation', '.norms.0')]
        with recorded(self.model, ['bbox_head', 'decoder', *watched]) as calls:
            result = self.model(batch['inputs'], batch['data_samples'], mode='predict')[0]
        inputs, first = calls['decoder'].arguments, calls[layers[0]].arguments
        grids = [CellGrid.from_stride(result.metainfo, stride, shape)
                 for stride, shape in zip(self.decoder.strides, inputs['memory'].shapes, strict=True)]
        captures = [LayerCapture(layer, calls[f'{name}.modulation'].output,
                                 calls[f'{name}.norms.0'].output + inputs['query_pos'])
                    for name, layer in zip(layers, self.decoder.layers, strict=True)]
        predictions = predictions_by_query(self.model.bbox_head, *calls['bbox_head'].output, result.metainfo)
        return SMCACapture(Path(path), image, self.decoder.strides, grids, inputs['memory'], first['centres'],
                           first['smooths'], captures, predictions)


class Call(NamedTuple):
    """What a module was called with, by the names of its parameters, and what it returned."""
    arguments: dict[str, Any]
    output: Any


@contextmanager
def recorded(model: nn.Module, names: Iterable[str]) -> Iterator[dict[str, Call]]:
    """Within the block, record the last call of each submodule of these names."""
    calls = {}
    with ExitStack() as hooks:
        for name in names:
            def record(module: nn.Module, args: tuple, kwargs: dict, output: Any, name: str = name) -> None:
                calls[name] = Call(inspect.signature(module.forward).bind(*args, **kwargs).arguments, output)

            hooks.enter_context(model.get_submodule(name).register_forward_hook(record, with_kwargs=True))
        yield calls


def predictions_by_query(head: SMCAHead, logits: Tensor, boxes: Tensor, meta: dict[str, Any]) -> InstanceData:
    """Box, best class and its score of each query: what `SMCACapture.predictions` holds.

    Args:
        head: Its classes are independent (sigmoid) or include a background (softmax).
        logits: (layers, 1, Q, classes), of which the last layer counts.
        boxes: (layers, 1, Q, 4), cx, cy, w, h relative to the image.
        meta: `img_shape` (height, width) and `scale_factor` (x, y).
    """
    probabilities = logits[-1, 0].sigmoid() if head.loss_cls.use_sigmoid else logits[-1, 0].softmax(dim=1)[:, :-1]
    scores, labels = probabilities.max(dim=1)
    (height, width), (scale_x, scale_y) = meta['img_shape'][:2], meta['scale_factor'][:2]
    corners = bbox_cxcywh_to_xyxy(boxes[-1, 0]) * boxes.new_tensor([width / scale_x, height / scale_y]).repeat(2)
    return InstanceData(bboxes=corners, scores=scores, labels=labels).cpu()
