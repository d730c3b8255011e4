"""A base of all data sets of this package: images are checked and may be cached, and data workers share one copy of the
items."""
import gc
import pickle
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmdet.datasets.transforms import LoadAnnotations
from torch.utils.data import get_worker_info

from ..annotations.annotation_file import size_problem
from ..annotations.annotation_json import paused_collector
from .image_cache import CachedLoading, cached_steps, check_cache
from .transforms import LoadPolygons


class SharedItems:
    """Mixin for a data set, listed before mmengine's `BaseDataset` among its base classes: data workers share the
    items.

    Items are pickled one by one, so that memory never holds all items and all their bytes together, as mmengine's does.
    A forked worker shares the memory of its parent until one of them writes to it. Python's garbage collector writes to
    every list and dict that it visits, so a worker does not let it visit the objects of the parent.

    An image is compared with the `width` and `height` of the annotation file as soon as the pipeline has loaded it.

    Args:
        cache: Where images are kept after `LoadImageFromFile`, or after `YOLOResize` if only the loading of
            annotations comes between: 'ram', where forked workers share one copy and each process of a distributed
            training has its own; 'disk', which later runs use too; or None for no cache. Pixels are the same.
        cache_limit: GiB at most on this machine; None: half of what is free.
        cache_dir: Folder for 'disk'; None: that of the images with '_cache' appended.

    Raises:
        ValueError: If options of the cache do not go together, the pipeline does not begin with `LoadImageFromFile`,
            the folder cannot be written to, or no image is left to train or evaluate on; when an item is read, if the
            image cannot be decoded or is of another size than the annotation file says.
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
        if not len(self):
            raise ValueError(f'{self.ann_file}: no image is left: filter_cfg={self.filter_cfg} and '
                             f'indices={self._indices} leave out all of them')
        steps = self.pipeline.transforms
        if self.cache is not None:
            images = next(iter(self.data_prefix.values()), None) or self.data_root or '.'
            folder = Path(self.cache_dir or f'{images.rstrip("/")}_cache')
            steps = cached_steps(steps, self.cache, self.cache_limit, folder, len(self))
        self.pipeline.transforms = _with_size_check(steps)

    def prepare_data(self, idx: int) -> Any:
        if get_worker_info() is not None:
            _leave_inherited_objects()
        try:
            return super().prepare_data(idx)
        except (AssertionError, cv2.error) as error:  # OpenCV does not name the file that it cannot decode
            problem = 'the file is empty' if 'buf.empty()' in str(error) else error
            raise ValueError(f'cannot prepare the image {self.get_data_info(idx)["img_path"]}: {problem}') from error

    def _serialize_data(self) -> tuple[np.ndarray, np.ndarray]:
        """The items as bytes, and where each of them ends; empties `data_list`."""
        pickled, items = bytearray(), self.data_list
        ends = np.empty(len(items), np.int64)
        for index, item in enumerate(items):
            pickled += pickle.dumps(item, protocol=4)
            ends[index] = len(pickled)
            items[index] = None  # its memory serves the next ones
        items.clear()
        return np.frombuffer(pickled, np.uint8), ends


def check_image_size(results: dict) -> dict:
    """Step of a pipeline: raise a ValueError if a loaded image is not of the annotation file's size."""
    height, width = results['ori_shape'][:2]
    if problem := size_problem(results['img_path'], (width, height), (results['width'], results['height'])):
        raise ValueError(problem)
    return results


def mask_readers(steps: Sequence[Callable]) -> set[str]:
    """Names of the steps that read `segmentation`: 'LoadAnnotations' (`with_mask`) and 'LoadPolygons'."""
    return ({'LoadAnnotations' for step in steps if isinstance(step, LoadAnnotations) and step.with_mask}
            | {'LoadPolygons' for step in steps if isinstance(step, LoadPolygons)})


def _with_size_check(steps: Sequence[Callable]) -> list[Callable]:
    """The steps with `check_image_size` behind each that loads an image from a file."""
    checked = []
    for step in steps:
        checked.append(step)
        if isinstance(step, (LoadImageFromFile, CachedLoading)):
            checked.append(check_image_size)
    return checked


@cache
def _leave_inherited_objects() -> None:
    gc.freeze()
