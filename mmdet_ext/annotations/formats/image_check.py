"""Read every image once: its size, and whether it can be decoded. The answers are kept for the next time."""
import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import ExifTags, Image
from tqdm import tqdm

from ...files import replace_file

_SAVED_EVERY = 20  # seconds
_SWAPPING = (5, 6, 7, 8)  # orientations of EXIF that swap width and height


class ImageFile(NamedTuple):
    """What an image file holds.

    size: (width, height) as it is loaded for training: turned by its EXIF orientation.
    orientation: Of EXIF, 1 to 8; 1: as stored.
    problem: Why it cannot be read, or ''.
    """
    size: tuple[int, int]
    orientation: int
    problem: str

    @property
    def stored_size(self) -> tuple[int, int]:
        return self.size[::-1] if self.orientation in _SWAPPING else self.size


def check_images(paths: Sequence[Path], memory: Path) -> dict[Path, ImageFile]:
    """Read images in several threads.

    Args:
        paths: The images.
        memory: Json file of what was read before, by path, size and time of change; it is written now and then, so
            that an interruption loses little.
    """
    known = _load(memory)
    keys = {path: _key(path) for path in paths}
    files = {path: known[key] for path, key in keys.items() if key in known}
    missing = [path for path in paths if path not in files]
    if not missing:
        return files
    saved = time.monotonic()
    try:
        with ThreadPoolExecutor(min(os.cpu_count() or 1, 16)) as pool, tqdm(
                total=len(missing), desc='images', unit='image', leave=False, disable=None) as bar:
            for begin in range(0, len(missing), 256):
                part = missing[begin:begin + 256]
                for path, file in zip(part, pool.map(read_image_file, part), strict=True):
                    files[path] = file
                    bar.update()
                if time.monotonic() - saved > _SAVED_EVERY:
                    _save(memory, files, keys)
                    saved = time.monotonic()
    finally:
        _save(memory, files, keys)
    return files


def read_image_file(path: Path) -> ImageFile:
    """Decode an image, a jpeg at an eighth of its size; files other than jpeg and png also as for training."""
    try:
        with Image.open(path) as image:
            size, kind = image.size, image.format
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
            orientation = orientation if orientation in range(1, 9) else 1
            if kind == 'JPEG':
                image.draft('RGB', (size[0] // 8, size[1] // 8))
            image.load()
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError, Image.DecompressionBombError) as error:
        return ImageFile((0, 0), 1, _reason(path, error))
    if kind in ('JPEG', 'PNG') and orientation == 1:
        return ImageFile(size, 1, '')
    return _decoded(path, orientation)


def _decoded(path: Path, orientation: int) -> ImageFile:
    """What OpenCV, which loads images for training, makes of a file."""
    try:
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error) as error:
        return ImageFile((0, 0), 1, str(error).strip().splitlines()[-1])
    if image is None:
        return ImageFile((0, 0), 1, f'OpenCV cannot read this {path.suffix} file: save it as .jpg or .png')
    return ImageFile((image.shape[1], image.shape[0]), orientation, '')


def _reason(path: Path, error: Exception) -> str:
    if not path.stat().st_size:
        return 'the file is empty'
    return f'{error}'.replace(f' {str(path)!r}', '').splitlines()[0] if str(error) else type(error).__name__


def _key(path: Path) -> str:
    stat = path.stat()
    return f'{path}|{stat.st_size}|{stat.st_mtime_ns}'


def _load(memory: Path) -> dict[str, ImageFile]:
    try:
        rows = json.loads(memory.read_text(encoding='utf-8'))
        return {key: ImageFile(tuple(size), orientation, problem) for key, (size, orientation, problem) in rows.items()}
    except (OSError, ValueError, TypeError, AttributeError):  # not there, or of another version: read again
        return {}


def _save(memory: Path, files: dict[Path, ImageFile], keys: dict[Path, str]) -> None:
    memory.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(memory) as file:
        file.write(json.dumps({keys[path]: value for path, value in files.items()}).encode())
