"""MDETR's fusion of image and text (https://arxiv.org/abs/2104.12763, section 2.2) in mmdet's detectors asked by words.
"""
from collections.abc import Sequence
from typing import Any

import torch.nn as nn
from mmdet.models.detectors import GLIP, GroundingDINO
from mmdet.models.layers import SinePositionalEncoding
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmengine.model import BaseModule
from torch import Tensor

from ...extended_classes import extended
from ..transformers import TextFusionEncoder
from .image_sizes import image_sizes


@MODELS.register_module(name='TextFusion')
def build_with_text_fusion(detector: str, fusion: dict, **kwargs: Any) -> nn.Module:
    """A detector of mmdet that reads texts, with a `TextFusionEncoder` over its coarsest map and its text.

    In a config: `model=dict(type='TextFusion', detector=_base_.model.type, fusion=dict(...))`. What the detector does
    with maps and text comes after it and is not changed. The result has the class name, the interface and the names of
    weights of that detector; those of the fusion begin with `fusion.`.

    Args:
        detector: 'GroundingDINO', 'GLIP', or a subclass of one of them.
        fusion: Config of the encoder: `num_layers` and `layer_cfg`.
        kwargs: As for that detector.

    Raises:
        ValueError: If the detector is another one, or the encoder has another width than its maps.
    """
    cls = MODELS.get(detector) if isinstance(detector, str) else detector
    mixins = [mixin for base, mixin in ((GroundingDINO, _FusingDINO), (GLIP, _FusingGLIP))
              if isinstance(cls, type) and issubclass(cls, base)]
    if not mixins:
        raise ValueError('detector should be one of mmdet that reads texts, GroundingDINO or GLIP, so that there is a '
                         f'text to fuse, got {detector!r}')
    model = extended(cls, mixins[0])(**kwargs)
    width = model.embed_dims if mixins[0] is _FusingDINO else model.neck.out_channels
    text_width = width if mixins[0] is _FusingDINO else model.bbox_head.head.lang_dim
    model.fusion = Fusion(fusion, text_width)
    if model.fusion.encoder.embed_dims != width:
        raise ValueError(f'fusion has {model.fusion.encoder.embed_dims} channels, the maps of {detector} have {width}')
    if mixins[0] is _FusingGLIP:
        model.bbox_head.register_forward_pre_hook(model.fuse)
    return model


class Fusion(BaseModule):
    """A `TextFusionEncoder` over a map and a text of another width.

    Args:
        encoder: Its config.
        text_width: Channels of the text.
    """

    def __init__(self, encoder: dict, text_width: int) -> None:
        super().__init__()
        self.encoder = TextFusionEncoder(**encoder)
        self.positions = SinePositionalEncoding(self.encoder.embed_dims // 2, normalize=True)
        self.to_map = nn.Linear(text_width, self.encoder.embed_dims)
        self.to_text = nn.Linear(self.encoder.embed_dims, text_width)

    def forward(self, feat: Tensor, padding: Tensor | None, text: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """
        Args:
            feat: (B, C, h, w).
            padding: (B, h, w), True where ignored, or None.
            text: (B, L, text_width).
            mask: (B, L), True where there is a token.

        Returns:
            Map and text of the same shapes; of the text what the encoder adds to it.
        """
        pos = self.positions(padding, input=feat).flatten(2).transpose(1, 2)
        tokens, _, _ = self.encoder(feat.flatten(2).transpose(1, 2), pos, None if padding is None else
                                    padding.flatten(1), self.to_map(text), ~mask)
        cells, words = tokens.split((feat[0, 0].numel(), text.shape[1]), dim=1)
        return cells.transpose(1, 2).reshape(feat.shape), text + self.to_text(words)


class _FusingDINO:
    """Grounding DINO: the fused map and text go to its encoder."""

    def forward_transformer(self, img_feats: Sequence[Tensor], text_dict: dict,
                            batch_data_samples: SampleList | None = None) -> dict:
        shape = tuple(img_feats[-1].shape[2:])
        padding, = image_sizes(batch_data_samples, [shape], img_feats[-1].device).padding
        coarsest, text = self.fusion(img_feats[-1], padding, text_dict['embedded'], text_dict['text_token_mask'])
        return super().forward_transformer((*img_feats[:-1], coarsest), text_dict | dict(embedded=text),
                                           batch_data_samples)


class _FusingGLIP:
    """GLIP: the fused map and text go to its head, which, as GLIP's, does not know of padding."""

    def fuse(self, head: nn.Module, arguments: tuple) -> tuple:
        maps, text = arguments
        read = 'hidden' if head.head.early_fuse else 'embedded'
        coarsest, fused = self.fusion(maps[-1], None, text[read], text['masks'].bool())
        return (*maps[:-1], coarsest), text | {read: fused}
