"""Convolutions of YOLOv9 (https://arxiv.org/abs/2402.13616): the plain unit and the re-parameterised one."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from torch import Tensor

NORM = dict(type='BN', eps=1e-3, momentum=0.03)
ACT = dict(type='SiLU')


class Conv(ConvModule):
    """Convolution without bias, batch norm (eps 1e-3, momentum 0.03), SiLU; 'same' padding `kernel_size // 2`.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Odd side of the kernel.
        stride: 1 or 2.
        groups: Groups of the convolution.
        act: Whether SiLU follows.

    Shape:
        (B, in_channels, H, W) -> (B, out_channels, ceil(H / stride), ceil(W / stride))
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 1, *, stride: int = 1, groups: int = 1,
                 act: bool = True) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2,
            groups=groups,
            norm_cfg=NORM,
            act_cfg=ACT if act else None)
        if act:
            self.activate = Activation()

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.conv(x))
        return self.activate(x) if self.with_activation else x

    def init_weights(self) -> None:
        """Keep PyTorch's own initialisation, as the published models do; `ConvModule` would draw Kaiming normal."""


class RepConv(nn.Module):
    """SiLU of a 3x3 and a 1x1 convolution added up; one 3x3 convolution at deployment (see `fuse`).

    The published block leaves the identity branch out even where the channels agree.

    Shape:
        (B, in_channels, H, W) -> (B, out_channels, H, W)
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv3x3 = Conv(in_channels, out_channels, 3, act=False)
        self.conv1x1 = Conv(in_channels, out_channels, 1, act=False)
        self.act = Activation()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv3x3(x).add_(self.conv1x1(x)))  # no backward needs what a batch norm returned


class Activation(nn.SiLU):
    """SiLU, in place where no gradient is wanted: for its backward, in place would copy the input first."""

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(x, inplace=not torch.is_grad_enabled())
