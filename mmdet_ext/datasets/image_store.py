"""Cached images that the workers of a data loader share, in memory or on the disk."""
import math
import mmap
import multiprocessing
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.logging import print_log

from ..files import check_writable, replace_file

GIB = 1 << 30
_HEADER = 20  # bytes of the five int32 in front of the pixels of a file: height and width as read, shape as kept


class StoredImage(NamedTuple):
    """An image uint8 (h, w, C) as it is cached, and (height, width) of the original file."""
    img: np.ndarray
    read_shape: tuple[int, int]


class _Shared:
    """Totals that forked workers share: numbers of images and bytes, and whether they were logged."""

    def __init__(self, name: str, limit: int, num_images: int) -> None:
        self.name = name
        self.limit = limit
        self.num_images = num_images
        self.lock = multiprocessing.Lock()
        self.totals = np.frombuffer(mmap.mmap(-1, 24), np.int64)  # images, bytes, whether they were logged

    def __deepcopy__(self, memo: dict) -> '_Shared':
        return self

    def __reduce__(self) -> tuple:
        raise ValueError(f'{self.name} is shared by workers that are forked: start them with '
                         "multiprocessing_context='fork', or leave cache out")

    def reserve(self, size: int) -> bool:
        """Reserve `size` bytes if they fit, and return whether they do. Call it with the lock held."""
        count, used, _logged = self.totals.tolist()
        if used + size > self.limit:
            self._say_once('it is full, other images are decoded each time')
            return False
        self.totals[:2] += 1, size
        if count + 1 == self.num_images:
            self._say_once('these are all')
        return True

    def _say_once(self, why: str) -> None:
        count, used, logged = self.totals.tolist()
        if not logged:
            self.totals[2] = 1
            print_log(f'{self.name} holds {count:,} of {self.num_images:,} images in {used / GIB:.2f} of '
                      f'{self.limit / GIB:.2f} GiB: {why}.', logger='current')


class MemoryStore(_Shared):
    """Images in memory, which is allocated as they come; forked workers share one copy.

    Args:
        limit: Bytes at most.
        num_images: How many images there will be at most.
    """

    def __init__(self, limit: int, num_images: int) -> None:
        super().__init__("cache='ram'", limit, num_images)
        self.pixels = np.frombuffer(mmap.mmap(-1, max(limit, 1)), np.uint8)
        # a table by hashes, at most half full: two halves of the key, begin of the pixels, five numbers of the shapes
        self.slots = np.frombuffer(mmap.mmap(-1, 64 * (2 * num_images + 1)), np.int64).reshape(-1, 8)

    def get(self, key: bytes) -> StoredImage | None:
        with self.lock:
            row = self.slots[self._find(key)].tolist()
        if not any(row[:2]):
            return None
        height, width, *shape = row[3:]
        img = self.pixels[row[2]:row[2] + shape[0] * shape[1] * shape[2]].reshape(shape).copy()
        return StoredImage(img, (height, width))

    def put(self, key: bytes, image: StoredImage) -> None:
        with self.lock:
            slot = self._find(key)
            begin = int(self.totals[1])
            if self.slots[slot, :2].any() or self.totals[0] >= self.num_images or not self.reserve(image.img.size):
                return
            self.pixels[begin:begin + image.img.size] = image.img.ravel()
            self.slots[slot] = [*np.frombuffer(key, np.int64), begin, *image.read_shape, *image.img.shape]

    def _find(self, key: bytes) -> int:
        """The row of a key, or the empty row where it would be inserted."""
        halves = np.frombuffer(key, np.int64)
        slot = int(halves[0]) % len(self.slots)
        while self.slots[slot, :2].any() and (self.slots[slot, :2] != halves).any():
            slot = (slot + 1) % len(self.slots)
        return slot


class DiskStore(_Shared):
    """Images in files of a folder, each written atomically; later runs use them as well.

    Args:
        folder: Created if it is missing. Files that it holds already count towards `limit`.
        limit: Bytes at most.
        num_images: How many images there will be at most.
    """

    def __init__(self, folder: Path, limit: int, num_images: int) -> None:
        super().__init__(f"cache='disk' in {folder}", limit, num_images)
        try:
            check_writable(folder)
        except OSError as error:
            raise ValueError(f"cache='disk' cannot write into cache_dir {folder}: {error}") from error
        self.folder = folder
        sizes = [entry.stat().st_size for entry in os.scandir(folder) if entry.name.endswith('.image')]
        self.totals[:2] = len(sizes), sum(sizes)

    def get(self, key: bytes) -> StoredImage | None:
        try:
            content = np.fromfile(self._path(key), np.uint8)
        except FileNotFoundError:
            return None
        header = content[:_HEADER].tobytes().ljust(_HEADER, b'\0')
        height, width, *shape = np.frombuffer(header, np.int32).tolist()
        if content.size != _HEADER + math.prod(shape):  # cut off, by a full disk or a copy
            self._path(key).unlink(missing_ok=True)
            return None
        return StoredImage(content[_HEADER:].reshape(shape), (height, width))

    def put(self, key: bytes, image: StoredImage) -> None:
        with self.lock:
            if self._path(key).exists() or not self.reserve(_HEADER + image.img.size):
                return
            with replace_file(self._path(key)) as file:
                file.write(np.int32([*image.read_shape, *image.img.shape]).tobytes())
                file.write(np.ascontiguousarray(image.img).data)

    def _path(self, key: bytes) -> Path:
        return self.folder / f'{key.hex()}.image'
