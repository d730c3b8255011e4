"""Comparison with published numbers, wherever ours were computed."""
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

# Of what a CUDA device computed, in units of the largest published number that it is compared with: see `assert_close`.
CUDA_TOLERANCE = 1e-4


def assert_close(actual: Any, expected: Any, *, rtol: float | None = None, atol: float | None = None,
                 **options: Any) -> None:
    """`torch.testing.assert_close` on the CPU; what comes from a CUDA device may differ by `CUDA_TOLERANCE` too."""
    if on_cuda(actual):
        largest = max([value.abs().max().item() for value in tensors_of(expected) if value.numel()], default=0.)
        rtol, atol = max(rtol or 0., CUDA_TOLERANCE), max(atol or 0., CUDA_TOLERANCE * largest)
    torch.testing.assert_close(on_cpu(actual), expected, rtol=rtol, atol=atol, **options)


def approx(expected: float, device: torch.device, *, rel: float, abs: float | None = None) -> Any:
    """`pytest.approx` with the tolerance of the device."""
    return pytest.approx(expected, rel=max(rel, CUDA_TOLERANCE) if device.type == 'cuda' else rel, abs=abs)


def on_cpu(value: Any) -> Any:
    """The same on the CPU: a tensor, or lists, tuples and dicts of tensors."""
    if isinstance(value, Tensor):
        return value.cpu()
    if isinstance(value, Mapping):
        return {key: on_cpu(child) for key, child in value.items()}
    if hasattr(value, '_fields'):  # a named tuple
        return value._make(map(on_cpu, value))
    return type(value)(map(on_cpu, value)) if isinstance(value, (list, tuple)) else value


def on_cuda(value: Any) -> bool:
    return any(tensor.device.type == 'cuda' for tensor in tensors_of(value))


def tensors_of(value: Any) -> Sequence[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    children = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return [tensor for child in children for tensor in tensors_of(child)]
