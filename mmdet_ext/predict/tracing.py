"""A deployed YOLOv9 as one TorchScript graph, which the CPU runs without Python between the many small convolutions."""
import warnings

import torch
import torch.nn as nn
from torch import Tensor

from ..models.dense_heads import YOLOv9Head
from ..models.detectors import PGIDetector


class _HeadOutputs(nn.Module):
    """(B, 3, H, W) -> the outputs of the head's `forward`."""

    def __init__(self, model: PGIDetector) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        return self.model.bbox_head(self.model.extract_feat(images))


def trace_network(model: nn.Module) -> torch.jit.ScriptModule | None:
    """Trace a deployed YOLOv9 on the CPU: images (B, 3, H, W) of any size, in channels_last format -> the head's maps.

    The graph has its own copy of the weights: it does not follow later changes of the model. None for other models, on
    other devices, and with `compile` or `cuda_graph`.
    """
    if not (isinstance(model, PGIDetector) and model.deployed and isinstance(model.bbox_head, YOLOv9Head)):
        return None
    if next(model.parameters()).device.type != 'cpu' or model.cuda_graph or model.compile_options is not None:
        return None
    example = torch.zeros(1, 3, 64, 96).contiguous(memory_format=torch.channels_last)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter('ignore')  # that TorchScript is deprecated, and that Python numbers become constants
        traced = torch.jit.trace(_HeadOutputs(model).eval(), example, check_trace=False)
        return torch.jit.freeze(traced)
