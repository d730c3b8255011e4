"""Whether feature maps are those that a part was built for."""
from collections.abc import Sequence

import torch.nn as nn
from torch import Tensor


def check_channels(part: nn.Module, in_channels: Sequence[int], feats: Sequence[Tensor]) -> None:
    """Raise a ValueError that names both unless `feats`, (B, C, H, W) each, have `in_channels`."""
    channels = [feat.shape[1] for feat in feats]
    if channels != list(in_channels):
        raise ValueError(f'{type(part).__name__} has in_channels={list(in_channels)}, and gets {len(channels)} '
                         f'{"map" if len(channels) == 1 else "maps"} of {", ".join(map(str, channels))} channels')
