"""Comparison with published numbers, wherever ours were computed."""
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

# What a CUDA device computed may differ by this, in units of the largest published number that it is compared with.
#
# A bound of 1e-4 on the logits of MDETR's golden case is none that float32 can keep. Proven on the CPU: the published
# logits (up to 8.1) are 1.00e-4 away from those of our model in float64, ours in float32 4.2e-5; six layers with sharp
# attention each way make 5e-5 of the 2e-6 that the backbone begins with. Of 8 runs in float32 whose weights were moved
# by half a unit in the last place 6 left 1e-4, the farthest by 1.11e-4; so does this CPU with oneDNN off (1.04e-4), and
# with attention in float64 (1.12e-4). Boxes and projected queries stay farther within their bounds. On an H200 the
# logits alone left 1e-4 as well. Not measured: by how much, and what the GPU's kernels of attention add. Results of
# attention that are off by 1e-6 of themselves make 1.4e-4, by 1e-5 8.6e-4; operands rounded to TF32 would make 2.3e-2.
# Four times the distance of the published numbers from the exact ones, 1.2e-5 of the largest:
CUDA_TOLERANCE = 5e-5


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
