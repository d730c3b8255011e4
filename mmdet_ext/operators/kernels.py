"""torchvision's compiled operators, and the precision in which they compute."""
import torch
from torch import Tensor

try:
    import torchvision  # registers torch.ops.torchvision
except (ImportError, OSError, RuntimeError) as error:  # not installed, or "operator torchvision::nms does not exist"
    from ..compat.dependencies import TORCHVISION_REMEDY
    raise ImportError(f'mmdet_ext.operators needs torchvision, which cannot be imported ({error}). '
                      f'{TORCHVISION_REMEDY}') from error

VERSION: str = torchvision.__version__
KERNELS = torch.ops.torchvision


def computed(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors, contiguous, in the precision of the first, or in float32 where that has fewer bits."""
    dtype = torch.promote_types(tensors[0].dtype, torch.float32)
    return tuple(tensor.to(dtype).contiguous() for tensor in tensors)
