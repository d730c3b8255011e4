"""Reduced precision: what the kernels do not take is computed in float32."""
import torch
from torch import Tensor


def computed(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The floating-point tensors in the precision of the first, or float32 where that has fewer bits."""
    dtype = torch.promote_types(tensors[0].dtype, torch.float32)
    return tuple(tensor.to(dtype) for tensor in tensors)
