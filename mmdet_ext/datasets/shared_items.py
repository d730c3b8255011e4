"""Annotations of which the workers of a data loader share one copy."""
import gc
import pickle
from functools import cache
from typing import Any

import numpy as np
from torch.utils.data import get_worker_info

from .annotation_json import paused_collector


class SharedItems:
    """To stand in front of mmengine's `BaseDataset`: items become bytes one by one, and workers leave the rest alone.

    mmengine holds all items and the bytes of all items at once, twice. A worker shares the memory of the process that
    it comes from until it writes there, which Python's collector does to every list and dict that it looks at.
    """

    def full_init(self) -> None:
        with paused_collector():
            super().full_init()

    def prepare_data(self, idx: int) -> Any:
        if get_worker_info() is not None:
            _leave_inherited_objects()
        return super().prepare_data(idx)

    def _serialize_data(self) -> tuple[np.ndarray, np.ndarray]:
        """The items as bytes, and where each of them ends; `data_list` is empty then."""
        pickled, items = bytearray(), self.data_list
        ends = np.empty(len(items), np.int64)
        for place, item in enumerate(items):
            pickled += pickle.dumps(item, protocol=4)
            ends[place] = len(pickled)
            items[place] = None  # its memory serves the next ones
        items.clear()
        return np.frombuffer(pickled, np.uint8), ends


@cache
def _leave_inherited_objects() -> None:
    gc.freeze()
