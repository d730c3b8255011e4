"""What SMCA-DETR's decoder (https://arxiv.org/abs/2101.07448) does with an image: queries, Gaussians, predictions."""
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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

from mmdet_ext.cell_grid import CellGrid
from mmdet_ext.models.dense_heads import SMCAHead
from mmdet_ext.models.layers import Modulation
from mmdet_ext.models.transformers import Memory, SMCATransformerDecoder

from ..images import batch_of, read_image


class LayerCapture(NamedTuple):
    """The Gaussians of a decoder layer, and (1, Q, C) what its cross-attention projects to q, positions included."""
    modulation: Modulation
    query: Tensor


@dataclass
class SMCACapture:
    """One image, and what the decoder did with it, as a batch of one on the model's device.

    Args:
        path: File of the image.
        image: (height, width, 3) uint8, RGB, as it is on disk.
        decoder: Of the model, with `strides` of its L maps (scales).
        grids: Where the cells of each map lie on the image.
        memory: What the decoder attends to.
        centres: (1, Q, L, 2), the queries' centres, x and y in cells of each map.
        layers: One entry per decoder layer.
        predictions: Of each query, with `bboxes` (Q, 4) in pixels of the image, and `scores` and `labels` (Q, ) of
            its best class; on the CPU.
    """
    path: Path
    image: np.ndarray
    decoder: SMCATransformerDecoder
    grids: Sequence[CellGrid]
    memory: Memory
    centres: Tensor
    layers: Sequence[LayerCapture]
    predictions: InstanceData

    def best_queries(self, count: int) -> list[int]:
        """The `count` queries with the highest scores, the best first; all if there are not as many."""
        return self.predictions.scores.argsort(descending=True, stable=True)[:count].tolist()

    @property
    def selects_scales(self) -> bool:
        return self.decoder.layers[0].modulation.selection is not None

    def alphas(self, layer: int) -> Tensor:
        """(Q, L) on the CPU: the weights of the maps, which sum to 1; ones if the decoder does not select scales."""
        return self.layers[layer].modulation.alpha[0].float().cpu()

    def scale_name(self, scale: int) -> str:
        """Number and stride of a map: two maps may have the same stride."""
        return f'scale {scale} (stride {self.decoder.strides[scale]:g})'


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
        image, batch = read_image(path), batch_of(path, self.model, self.pipeline)
        layers, head = self.decoder.layers, self.model.bbox_head
        parts = [part for layer in layers for part in (layer, layer.modulation, layer.norms[0])]
        with recorded(head, *parts) as calls:
            meta = self.model(**batch, mode='predict')[0].metainfo
        _, query_pos, memory, centres, _ = calls[layers[0]].arguments
        grids = [CellGrid.from_stride(meta, stride, shape)
                 for stride, shape in zip(self.decoder.strides, memory.shapes, strict=True)]
        captures = [LayerCapture(calls[layer.modulation].output, calls[layer.norms[0]].output + query_pos)
                    for layer in layers]
        return SMCACapture(Path(path), image, self.decoder, grids, memory, centres, captures,
                           predictions_by_query(head, *calls[head].output, meta))


class Call(NamedTuple):
    """What a module was called with by position, and what it returned."""
    arguments: tuple
    output: Any


@contextmanager
def recorded(*modules: nn.Module) -> Iterator[dict[nn.Module, Call]]:
    """Within the block, record the last call of each module."""
    calls = {}
    hooks = [module.register_forward_hook(lambda module, args, output: calls.update({module: Call(args, output)}))
             for module in modules]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def predictions_by_query(head: SMCAHead, logits: Tensor, boxes: Tensor, meta: dict[str, Any]) -> InstanceData:
    """`SMCACapture.predictions` from the last layer's logits (layers, 1, Q, classes) and boxes (layers, 1, Q, 4).

    Boxes are cx, cy, w, h relative to the image; classes are independent (sigmoid) or have a background (softmax).
    """
    probabilities = logits[-1, 0].sigmoid() if head.loss_cls.use_sigmoid else logits[-1, 0].softmax(dim=1)[:, :-1]
    scores, labels = probabilities.max(dim=1)
    (height, width), (scale_x, scale_y) = meta['img_shape'][:2], meta['scale_factor'][:2]
    corners = bbox_cxcywh_to_xyxy(boxes[-1, 0]) * boxes.new_tensor([width / scale_x, height / scale_y]).repeat(2)
    return InstanceData(bboxes=corners, scores=scores, labels=labels).cpu()
