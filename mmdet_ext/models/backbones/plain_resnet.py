"""ResNet without its shortcuts: the plain network of YOLOv9's comparison (https://arxiv.org/abs/2402.13616, figure 2).
"""
from typing import Any, ClassVar

import torch.nn as nn
from mmdet.models.backbones import ResNet
from mmdet.models.backbones.resnet import Bottleneck
from mmdet.registry import MODELS
from torch import Tensor


class PlainBottleneck(Bottleneck):
    """A block of ResNet-50 and deeper of which only the three convolutions are left.

    Shape:
        (B, inplanes, H, W) -> (B, 4 * planes, H / stride, W / stride)
    """

    def __init__(self, *args: Any, downsample: nn.Module | None = None, **options: Any) -> None:
        super().__init__(*args, **options)  # without `downsample`, a convolution in the shortcut

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm1(self.conv1(x)))
        x = self.relu(self.norm2(self.conv2(x)))
        return self.relu(self.norm3(self.conv3(x)))


@MODELS.register_module()
class PlainResNet(ResNet):
    """mmdet's `ResNet` of depth 50, 101 or 152 without shortcuts, to compare with.

    Args:
        depth: 50, 101 or 152.
        options: As in `ResNet`, but no `plugins` and no deformable convolutions.
    """
    arch_settings: ClassVar = {depth: (PlainBottleneck, ResNet.arch_settings[depth][1]) for depth in (50, 101, 152)}

    def __init__(self, depth: int, **options: Any) -> None:
        if depth not in self.arch_settings:
            raise ValueError(f'depth should be one of {", ".join(map(str, self.arch_settings))}, got {depth!r}')
        if unfit := {'plugins', 'dcn'} & options.keys():
            raise ValueError(f'PlainResNet takes no {min(unfit)}, got {options[min(unfit)]!r}')
        super().__init__(depth, zero_init_residual=False, **options)
