"""Logged numbers that stay on the device until the log is read."""
from collections import defaultdict
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from torch import Tensor

MAX_WAITING = 1000  # rows, so that a run whose log is never read does not fill the device


def update_scalars(hub: MessageHub, scalars: Mapping[str, Any]) -> None:
    """As `hub.update_scalar` for each of `scalars`, but without waiting for the device.

    mmengine reads the numbers immediately, so that the host waits for all queued work. Here floating-point tensors of
    one element are kept as copies on their device; the first read of any history moves all waiting values to the host
    in one transfer. The first value of a key, and values of any other type, are stored immediately.

    Args:
        hub: The message hub of the run.
        scalars: Values by key, such as 'train/loss'.
    """
    waiting = _WAITING.setdefault(hub, _WaitingRows())
    lazy = {key: value for key, value in scalars.items() if key in hub.log_scalars and _is_scalar(value)}
    buffers = [_lazy_buffer(hub, key, waiting) for key in lazy]
    if lazy:
        waiting.add(buffers, list(lazy.values()))
    for key, value in scalars.items():
        if key not in lazy:
            hub.update_scalar(key, value)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, Tensor) and value.numel() == 1 and value.is_floating_point()


def _lazy_buffer(hub: MessageHub, key: str, waiting: '_WaitingRows') -> 'LazyHistoryBuffer':
    buffer = hub.log_scalars[key]
    if not isinstance(buffer, LazyHistoryBuffer):
        buffer = hub.log_scalars[key] = LazyHistoryBuffer(buffer, waiting)
    return buffer


class _WaitingRows:
    """Values of one hub that are still on the device, one vector per update."""

    def __init__(self) -> None:
        self._rows: list[tuple[list[LazyHistoryBuffer], Tensor]] = []

    def add(self, buffers: list['LazyHistoryBuffer'], values: list[Tensor]) -> None:
        device = values[0].device
        on_cuda = device.type == 'cuda'
        row = torch.stack([value.detach().reshape(()).to(device, non_blocking=on_cuda) for value in values])
        self._rows.append((buffers, row))
        if len(self._rows) >= MAX_WAITING:
            self.flush()

    def flush(self) -> None:
        """Move all values to their histories, in the order in which they came."""
        rows, self._rows = self._rows, []
        if not rows:
            return
        values_in_order = iter(torch.cat([row for _, row in rows]).tolist())
        new = defaultdict(list)
        for buffers, _ in rows:
            for buffer in buffers:
                new[buffer].append(next(values_in_order))
        for buffer, values in new.items():
            buffer.extend(values)


class LazyHistoryBuffer(HistoryBuffer):
    """A history that fetches its waiting values when it is read; copies and pickles are plain `HistoryBuffer`.

    Args:
        history: What was logged before.
        waiting: The waiting values of this and all other histories of the hub.
    """

    def __init__(self, history: HistoryBuffer, waiting: _WaitingRows) -> None:
        self._waiting = waiting
        self._values, self._counts = history.data
        super().__init__(*history.data, max_length=history.max_length)

    # the attributes that all methods of HistoryBuffer read and set
    @property
    def _log_history(self) -> np.ndarray:
        self._waiting.flush()
        return self._values

    @_log_history.setter
    def _log_history(self, values: np.ndarray) -> None:
        self._values = values

    @property
    def _count_history(self) -> np.ndarray:
        self._waiting.flush()
        return self._counts

    @_count_history.setter
    def _count_history(self, counts: np.ndarray) -> None:
        self._counts = counts

    def extend(self, values: list[float]) -> None:
        """Append values, each with a count of 1."""
        self._values = np.append(self._values, values)[-self.max_length:]
        self._counts = np.append(self._counts, [1] * len(values))[-self.max_length:]

    def __reduce_ex__(self, protocol: int) -> tuple:
        plain = HistoryBuffer(self._log_history, self._count_history, self.max_length)
        return plain.__reduce_ex__(protocol)


_WAITING: WeakKeyDictionary[MessageHub, _WaitingRows] = WeakKeyDictionary()
