"""The Retriever-Dictionary of YOLO-RD (https://arxiv.org/abs/2410.15346) as a neck after any neck or backbone."""
from collections.abc import Sequence
from typing import Any

import torch.nn as nn
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from ..layers import RetrieverDictionary, check_channels


@MODELS.register_module()
class RDNeck(BaseModule):
    """One `RetrieverDictionary` per chosen level; the other levels are not changed.

    In a config it follows the existing neck: `neck=[_base_.model.neck, dict(type='RDNeck', in_channels=[256] * 5)]`.

    Args:
        in_channels: Channels of each level.
        levels: Indices of the levels that get a dictionary; all by default.
        init_cfg: As in mmengine.
        rd: Arguments of `RetrieverDictionary`, except the channels.

    Shape:
        one (B, in_channels[i], H_i, W_i) per level -> the same
    """

    def __init__(self, in_channels: Sequence[int], levels: Sequence[int] | None = None, *,
                 init_cfg: dict | None = None, **rd: Any) -> None:
        super().__init__(init_cfg)
        if not isinstance(in_channels, (list, tuple)):
            raise ValueError(f'in_channels should be a list of the channels of each level, got {in_channels!r}')
        self.in_channels = self.out_channels = tuple(in_channels)
        chosen = range(len(in_channels)) if levels is None else levels
        unknown = [level for level in chosen if level not in range(len(in_channels))]
        if unknown:
            raise ValueError(f'levels should be in 0..{len(in_channels) - 1}, got {unknown}')
        self.dictionaries = nn.ModuleList(
            RetrieverDictionary(channels, **rd) if level in chosen else nn.Identity()
            for level, channels in enumerate(in_channels))

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor, ...]:
        check_channels(self, self.in_channels, feats)
        return tuple(rd(feat) for rd, feat in zip(self.dictionaries, feats))
