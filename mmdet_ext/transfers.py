"""Copies between host and device: the only functions by which matching, losses and predictions copy."""
from collections.abc import Sequence

import torch
from torch import Tensor


def to_host(tensor: Tensor) -> Tensor:
    """A copy on the host, which waits for it."""
    return tensor.cpu()


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """A copy of a host tensor on the device; if that is a GPU, the host does not wait for the copy."""
    if device.type == 'cuda':
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def pack_to_device(parts: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """Host tensors of any shapes, moved in one copy; they become float32, which holds integers exactly below 2**24."""
    flat = to_device(torch.cat([part.flatten().float() for part in parts]), device)
    pieces = flat.split([part.numel() for part in parts])
    return [piece.view(part.shape) for piece, part in zip(pieces, parts)]
