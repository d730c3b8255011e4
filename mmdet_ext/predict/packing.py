"""Convolutions whose weights are put into oneDNN's blocks once, instead of at every call on the CPU."""
import torch
import torch.nn as nn
from torch import Tensor


class PackedConv2d(nn.Conv2d):
    """The same convolution with the same parameters: float32 on the CPU without gradients takes the packed weights.

    They are packed at the first call, for its size of the input, and anew when the weights have changed. In every other
    case (training, autocast, another device or type, tracing, compiling) it is the plain convolution.
    """

    @classmethod
    def of(cls, conv: nn.Conv2d) -> 'PackedConv2d':
        """Shares the parameters of `conv`."""
        packed = cls.__new__(cls)
        packed.__dict__ = conv.__dict__.copy()
        packed._packed = packed._packed_from = None
        return packed

    def forward(self, x: Tensor) -> Tensor:
        if (x.device.type != 'cpu' or x.dtype != torch.float32 or self.weight.dtype != torch.float32
                or torch.is_grad_enabled() or torch.is_autocast_enabled('cpu') or torch.jit.is_tracing()
                or torch.compiler.is_compiling()):
            return super().forward(x)
        geometry = self.padding, self.stride, self.dilation, self.groups
        state = self.weight.data_ptr(), None if self.weight.is_inference() else self.weight._version
        if self._packed_from != state:
            self._packed = torch.ops.mkldnn._reorder_convolution_weight(self.weight.detach(), *geometry, x.shape)
            self._packed_from = state
        return torch.ops.mkldnn._convolution_pointwise(x, self._packed, self.bias, *geometry, 'none', [], '')

    def __getstate__(self) -> dict:
        """Without the packed weights, which can neither be copied nor pickled."""
        return self.__dict__ | dict(_packed=None, _packed_from=None)


def pack(model: nn.Module) -> nn.Module:
    """Exchange the plain convolutions of `model` in place; without oneDNN it stays as it is."""
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, '_convolution_pointwise'):
        return model
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Conv2d and child.padding_mode == 'zeros' and not isinstance(child.padding, str):
                setattr(parent, name, PackedConv2d.of(child))
    return model
