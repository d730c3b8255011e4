"""A cache of images after decoding and resizing, before any random transform."""
import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmdet.datasets.transforms import LoadAnnotations
from mmengine.logging import print_log

from ..memory import available_memory
from ..processes import local_processes
from .image_store import GIB, DiskStore, MemoryStore, StoredImage
from .transforms import LoadPolygons, YOLOResize


def check_cache(cache: str | None, limit: float | None, folder: str | None) -> None:
    """Raise a ValueError unless the three options of a data set's cache go together."""
    if cache not in (None, 'ram', 'disk'):
        raise ValueError(f"cache must be None, 'ram' or 'disk', got {cache!r}")
    if limit is not None and not (isinstance(limit, (int, float)) and limit > 0):
        raise ValueError(f'cache_limit must be a positive number of GiB, got {limit!r}')
    if folder is not None and cache != 'disk':
        raise ValueError(f"cache_dir is for cache='disk', got {folder!r} with cache={cache!r}")


def cached_steps(steps: Sequence[Callable], cache: str, limit: float | None, folder: Path,
                 num_images: int) -> list[Callable]:
    """The steps of a pipeline, with a cache of loaded images, or of resized ones if `YOLOResize` comes next.

    Only annotations may be loaded between `LoadImageFromFile` and `YOLOResize`.

    Args:
        steps: Steps of the pipeline.
        cache: 'ram' or 'disk'.
        limit: GiB at most, shared by the processes of a machine; None: half of the memory or disk that is free.
        folder: Folder of the files on the disk.
        num_images: Number of images of the data set.

    Raises:
        ValueError: If the pipeline does not begin with `LoadImageFromFile`, or the folder cannot be written to.
    """
    if not (steps and isinstance(steps[0], LoadImageFromFile)):
        raise ValueError(f"cache={cache!r} needs a pipeline that begins with LoadImageFromFile, got "
                         f'{[type(step).__name__ for step in steps]}')
    free = available_memory() if cache == 'ram' else shutil.disk_usage(existing(folder)).free
    size = int(limit * GIB) if limit is not None else free // 2
    print_log(f'cache={cache!r} takes up to {size / GIB:.2f} GiB of {free / GIB:.2f} GiB that are free.',
              logger='current')
    size //= local_processes()
    store = MemoryStore(size, num_images) if cache == 'ram' else DiskStore(folder, size, num_images)
    between = next((index for index, step in enumerate(steps[1:], 1)
                    if not isinstance(step, (LoadAnnotations, LoadPolygons))), len(steps))
    resize = steps[between] if between < len(steps) and isinstance(steps[between], YOLOResize) else None
    return [CachedLoading(steps[0], resize, store), *steps[1:]]


class CachedLoading:
    """`LoadImageFromFile` with a cache; with `resize`, it caches resized images, and the later `YOLOResize` skips them.

    Files are identified by path, modification time and size: a file that was changed is loaded again.
    """

    def __init__(self, load: LoadImageFromFile, resize: YOLOResize | None, store: MemoryStore | DiskStore) -> None:
        self.load = load
        self.resize = resize
        self.store = store

    def __call__(self, results: dict) -> dict | None:
        try:
            stat = os.stat(results['img_path'])
        except OSError:  # not a local file, or none at all, which the loading knows to say
            return self.load(results)
        key = self._key(results['img_path'], stat)
        image = self.store.get(key)
        if image is None:
            results = self.load(results)
            if results is None or results['img'].dtype != np.uint8 or results['img'].ndim != 3:
                return results
            img, shape = results['img'], results['img'].shape[:2]
            image = StoredImage(img if self.resize is None else self.resize.scale(img), shape)
            self.store.put(key, image)
        results.update(img=image.img, img_shape=image.read_shape, ori_shape=image.read_shape)
        if self.resize is not None:
            results['scaled_from'] = image.read_shape
        return results

    def _key(self, path: str, stat: os.stat_result) -> bytes:
        target = None if self.resize is None else (self.resize.size, self.resize.shrink)
        decoding = self.load.color_type, self.load.imdecode_backend
        identity = repr((os.path.abspath(path), stat.st_mtime_ns, stat.st_size, target, decoding))
        return hashlib.blake2b(identity.encode(), digest_size=16).digest()


def existing(folder: Path) -> Path:
    """The folder, or its nearest parent that exists."""
    return next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
