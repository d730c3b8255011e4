"""SMCA's modulated attention (https://arxiv.org/abs/2101.07448) in the DETRs of mmdet whose attention is dense."""
from collections.abc import Sequence
from types import NoneType
from typing import Any

import torch.nn as nn
from mmdet.models.detectors import DetectionTransformer
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from torch import Tensor

from ...extended_classes import extended
from ..transformers.modulated_cross_attention import modulate_decoder, modulating
from .image_sizes import image_sizes


@MODELS.register_module(name='SMCA')
def build_with_smca(detector: str, modulation: dict | None = None, **kwargs: Any) -> nn.Module:
    """A detector of mmdet whose decoder attends under Gaussians, as SMCA-DETR's does.

    In a config: `model=dict(type='SMCA', detector=_base_.model.type)`. The result has the class name, the
    interface and the names of weights of that detector. The Gaussians' centres are the reference points where the
    detector has them (Conditional DETR, DAB-DETR, whose centres move with its boxes from layer to layer), and for DETR
    they are predicted from the positions of the queries. Each layer predicts offsets and scales from its input.

    Args:
        detector: 'DETR', 'ConditionalDETR', 'DABDETR', or a subclass of one of them.
        modulation: `stride` (32), pixels per cell of the map; `smooth` (8.), the paper's beta; `dynamic_scale` and
            `head_shared` of `GaussianModulation`.
        kwargs: As for that detector.

    Raises:
        ValueError: If it is no detection transformer, or its decoder does not attend to all cells of one map.
    """
    cls = MODELS.get(detector) if isinstance(detector, str) else detector
    if not (isinstance(cls, type) and issubclass(cls, DetectionTransformer)):
        raise ValueError(f'detector should be a detection transformer, such as DETR, ConditionalDETR or DABDETR, whose '
                         f'attention can be modulated, got {detector!r}')
    if not isinstance(modulation, (dict, NoneType)):
        raise ValueError(f'modulation should be a dict such as dict(smooth=8., stride=32), got {modulation!r}')
    options = dict(modulation or {})
    stride, smooth = options.pop('stride', 32), options.pop('smooth', 8.)
    for name, value in dict(stride=stride, smooth=smooth).items():
        if not isinstance(value, (int, float)) or value <= 0:
            raise ValueError(f'modulation.{name} should be a positive number, got {value!r}')
    if unknown := options.keys() - {'dynamic_scale', 'head_shared'}:
        raise ValueError(f'modulation takes stride, smooth, dynamic_scale and head_shared, got {sorted(unknown)}')
    model = extended(cls, _Modulated)(**kwargs)
    modulate_decoder(model.decoder, **options)
    model.modulation = dict(stride=stride, smooth=smooth)
    return model


class _Modulated:
    """What `build_with_smca` adds to a detector."""

    def init_weights(self) -> None:
        super().init_weights()
        for layer in self.decoder.layers:
            layer.modulation.init_scale()

    def pre_transformer(self, img_feats: Sequence[Tensor], batch_data_samples: SampleList) -> tuple[dict, dict]:
        encoder_inputs, decoder_inputs = super().pre_transformer(img_feats, batch_data_samples)
        shape, stride = tuple(img_feats[-1].shape[2:]), self.modulation['stride']
        expected = tuple(-(-side // stride) for side in batch_data_samples[0].batch_input_shape)
        if shape != expected:
            raise ValueError(f'modulation.stride={stride} should be the stride of the map that the decoder attends to: '
                             f'images of {tuple(batch_data_samples[0].batch_input_shape)} pixels (height, width) would '
                             f'have {expected} cells, the map has {shape}')
        sizes = image_sizes(batch_data_samples, [], img_feats[-1].device).sizes
        return encoder_inputs, decoder_inputs | dict(cells=sizes / stride, shape=shape)

    def forward_decoder(self, query: Tensor, query_pos: Tensor, cells: Tensor, shape: tuple[int, int],
                        **inputs: Any) -> dict:
        refine = getattr(self.bbox_head, 'fc_reg', None)
        with modulating(self.decoder, query_pos, cells, shape, self.modulation['smooth'], refine):
            return super().forward_decoder(query=query, query_pos=query_pos, **inputs)
