"""torchvision's compiled operators, and the precision in which they compute."""
import torch
import torchvision  # registers torch.ops.torchvision
from torch import Tensor

VERSION: str = torchvision.__version__
KERNELS = torch.ops.torchvision


def computed(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors, contiguous, in the precision of the first, or in float32 where that has fewer bits."""
    dtype = torch.promote_types(tensors[0].dtype, torch.float32)
    return tuple(tensor.to(dtype).contiguous() for tensor in tensors)
