"""What a step costs the host, counted on any device: dispatched operators, waits for results, copies.

On a GPU the host only queues work. It waits where it needs a result: a number (``item``, ``bool``), a size that depends
on values (``nonzero``, indexing by a boolean mask) or a copy to its own memory. On the CPU the same operators are
dispatched, so that they can be counted without a GPU.
"""
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

# Operators, by name without overload, that the host waits for: the result is a number, or its size depends on values.
WAITING = {'_local_scalar_dense', 'nonzero', 'masked_select', 'equal', 'bincount', '_unique', '_unique2', 'unique_dim',
           'unique_consecutive', 'unique_dim_consecutive', 'nms'}
INDEXING = {'index', 'index_put', 'index_put_', '_index_put_impl_', '_unsafe_index', '_unsafe_index_put'}
READS = {'cpu', 'numpy', 'tolist', '__array__'}
UPLOADS = {'tensor', 'as_tensor', 'new_tensor'}


@dataclass
class Counts:
    """What one call costs the host, by the name of the operator or of the tensor's method.

    Attributes:
        operators: Those of ATen that were dispatched, views included.
        synchronisations: What the host waited for, copies to the host among them.
        uploads: Calls that make a tensor on the device from numbers of the host.
    """
    operators: Counter[str] = field(default_factory=Counter)
    synchronisations: Counter[str] = field(default_factory=Counter)
    uploads: Counter[str] = field(default_factory=Counter)


def count(work: Callable[[], object], host_tensors: Iterable[Tensor] = ()) -> Counts:
    """Call `work` once and count what it costs the host.

    On the CPU every tensor is counted as one of a device, except `host_tensors` and those that a copy to the host,
    ``torch.from_numpy`` or ``torch.tensor`` without a device has made. If a CUDA device is used, tensors of the CPU
    are the host's.
    """
    counts, host = Counts(), _Host()
    for tensor in host_tensors:
        host.add(tensor)
    with _FunctionCounter(counts, host), _DispatchCounter(counts, host):
        work()
    return counts


class _Host:
    """Remembers which storages are the host's when the device is the CPU too."""

    def __init__(self) -> None:
        self._kept: dict[int, Tensor] = {}  # kept alive, so that no address is used again

    def add(self, tensor: object) -> None:
        if isinstance(tensor, Tensor) and not tensor.is_cuda:
            self._kept[tensor.untyped_storage().data_ptr()] = tensor

    def has(self, tensor: Tensor) -> bool:
        if tensor.is_cuda:
            return False
        return torch.cuda.is_initialized() or tensor.untyped_storage().data_ptr() in self._kept


class _FunctionCounter(TorchFunctionMode):
    """Counts copies between host and device; on the CPU these dispatch no operator."""

    def __init__(self, counts: Counts, host: _Host) -> None:
        super().__init__()
        self.counts, self.host = counts, host

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs, name = kwargs or {}, getattr(func, '__name__', '')
        target = kwargs.get('device', args[1] if len(args) > 1 else None)
        read = name in READS or (name == 'to' and target == 'cpu')
        upload = name in UPLOADS and (name == 'new_tensor' or kwargs.get('device') is not None)
        self.counts.synchronisations.update([name] if read and not self.host.has(args[0]) else [])
        self.counts.uploads.update([name] if upload else [])
        result = func(*args, **kwargs)
        if read or (name in ('from_numpy', 'tensor') and not upload):
            self.host.add(result)
        return result


class _DispatchCounter(TorchDispatchMode):
    """Counts operators, and those among them that the host waits for."""

    def __init__(self, counts: Counts, host: _Host) -> None:
        super().__init__()
        self.counts, self.host = counts, host

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        name = func.overloadpacket.__name__
        self.counts.operators[name] += 1
        if self._waits(func, name, args, kwargs or {}):
            self.counts.synchronisations[name] += 1
        return func(*args, **(kwargs or {}))

    def _waits(self, func: Any, name: str, args: tuple, kwargs: dict) -> bool:
        tensor = next((arg for arg in args if isinstance(arg, Tensor)), None)
        if tensor is None or self.host.has(tensor):
            return False
        if name in INDEXING:
            masks = [index for index in args[1] if index is not None and index.dtype in (torch.bool, torch.uint8)]
            fills = name.startswith(('index_put', '_index_put')) and len(args[1]) == 1 and args[2].numel() == 1
            return bool(masks) and not fills
        if name == 'repeat_interleave':
            return kwargs.get('output_size') is None
        if name == '_to_copy':
            return tensor.is_cuda and kwargs.get('device') == torch.device('cpu') and not kwargs.get('non_blocking')
        return name in WAITING
