"""Copies between the memories of host and device, all that matching and its losses make in a step."""
from collections.abc import Sequence

import torch
from torch import Tensor


def to_host(tensor: Tensor) -> Tensor:
    """A copy that the host waits for."""
    return tensor.cpu()


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """A copy of a tensor of the host, for which the host does not wait where the device is a GPU."""
    if device.type == 'cuda':
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def pack_to_device(parts: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """Tensors of the host, of any shapes, in one copy: the same shapes in float32, whole numbers exact below 2**24."""
    flat = to_device(torch.cat([part.flatten().float() for part in parts]), device)
    each = flat.split([part.numel() for part in parts])
    return [own.view(part.shape) for own, part in zip(each, parts)]
