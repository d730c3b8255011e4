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
    """To stand in front of mmengine's `BaseDataset`: items become bytes one by one, and workers leave the rest alone.

    mmengine holds all items and the bytes of all items at once, twice. A worker shares the memory of the process that
    it comes from until it writes there, which Python's collector does to every list and dict that it looks at.

    Args:
        cache: Whether images are kept as the pipeline's `LoadImageFromFile` gives them, or its `YOLOResize` where
            that comes next but for annotations: 'ram', where forked workers share one copy and each process of a
            distributed training has its own; 'disk', which serves later runs too; or None. Pixels are the same.
        cache_limit: GiB at most on this machine; None: half of what is free.
        cache_dir: Folder for 'disk'; None: that of the images with '_cache' at its end.

    Raises:
        ValueError: For options of the cache that do not go together, a pipeline without such steps, a folder that
            cannot be written to.
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
