"""Annotations of which the workers of a data loader share one copy."""
import gc
import pickle
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import get_worker_info

from .annotation_json import paused_collector
from .image_cache import cached_steps, check_cache


class SharedItems:
    """Mixin listed before mmengine's `BaseDataset`: items are pickled one by one, and workers share them.

    mmengine holds all items at once with the bytes of all items, and these twice. A forked worker shares the memory of
    its parent until it writes there, and Python's garbage collector writes to every list and dict that it visits.

    Args:
        cache: Where images are kept after `LoadImageFromFile`, or after `YOLOResize` if only the loading of
            annotations comes between: 'ram', where forked workers share one copy and each process of a distributed
            training has its own; 'disk', which later runs use too; or None for no cache. Pixels are the same.
        cache_limit: GiB at most on this machine; None: half of what is free.
        cache_dir: Folder for 'disk'; None: that of the images with '_cache' appended.

    Raises:
        ValueError: If options of the cache do not go together, the pipeline does not begin with `LoadImageFromFile`, or
            the folder cannot be written to.
    """

    def __init__(self, *args: Any, cache: str | None = None, cache_limit: float | None = None,
                 cache_dir: str | None = None, **kwargs: Any) -> None:
        check_cache(cache, cache_limit, cache_dir)
        self.cache, self.cache_limit, self.cache_dir = cache, cache_limit, cache_dir
        super().__init__(*args, **kwargs)

    def full_init(self) -> None:
        if self._fully_initialized:
            return
        with paused_collector():
            super().full_init()
        if self.cache is not None:
            images = next(iter(self.data_prefix.values()), None) or self.data_root or '.'
            folder = Path(self.cache_dir or f'{images.rstrip("/")}_cache')
            self.pipeline.transforms = cached_steps(self.pipeline.transforms, self.cache, self.cache_limit, folder,
                                                    len(self))

    def prepare_data(self, idx: int) -> Any:
        if get_worker_info() is not None:
            _leave_inherited_objects()
        return super().prepare_data(idx)

    def _serialize_data(self) -> tuple[np.ndarray, np.ndarray]:
        """The items as bytes, and where each of them ends; empties `data_list`."""
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
