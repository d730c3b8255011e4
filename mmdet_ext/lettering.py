"""Labels on images: their letters, a font that has them, and where they cover least."""
import warnings
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import ImageFont

_LEAST_LETTERS = 15  # pixels


class LettersWarning(UserWarning):
    """No installed font has all letters of a text."""


def place_labels(boxes: np.ndarray, sizes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Upper left corners (N, 2) of labels, one after another where it covers least of those placed before it.

    Args:
        boxes: (N, 4) inside the image.
        sizes: (N, 2) width and height of the labels.
        shape: (height, width) of the image.
    """
    corners, taken = np.zeros((len(boxes), 2), np.float32), np.zeros((0, 4))
    for row, ((left, top, right, bottom), (width, height)) in enumerate(zip(boxes, sizes)):
        choices = np.array([  # above, below, inside and at the right; then farther away
            (left, top - height), (left, bottom), (left, top), (right - width, top), (left, bottom - height),
            (right - width, bottom - height), (right - width, top - height), (right - width, bottom),
            (left, top - 2 * height), (left, bottom + height)])
        choices = np.clip(choices, 0, np.maximum([shape[1] - width - 1, shape[0] - height - 1], 0))
        sides = np.minimum(choices[:, None] + (width, height), taken[:, 2:]) - np.maximum(choices[:, None],
                                                                                         taken[:, :2])
        covered = sides.clip(0).prod(axis=2).sum(axis=1)
        corners[row] = choices[covered.argmin()]
        taken = np.concatenate([taken, [[*corners[row], *(corners[row] + (width, height))]]])
    return corners


def shorten(name: str, length: int) -> str:
    """`name`, its middle left out where it is longer than `length`, at least 5."""
    if len(name) <= length:
        return name
    tail = (length - 3) // 2
    return f'{name[:length - 3 - tail]}...{name[-tail:]}'


def letter_size(shape: Sequence[int]) -> int:
    """Pixels of the letters on an image of this (height, width)."""
    return max(_LEAST_LETTERS, round(0.021 * max(shape[:2])))


def fitting(text: str, font: 'ImageFont.FreeTypeFont', width: float) -> str:
    """The text, its middle left out as far as it is wider than `width` pixels in this font of Pillow."""
    text, length = ' '.join(text.split()), len(text)
    while font.getlength(shorten(text, length)) > width and length > 5:
        length -= 1
    return shorten(text, length)


def font_for(texts: Iterable[str], first: Sequence[str] = ()) -> str:
    """Path of a font that has the letters of all texts: one of `first`, DejaVu Sans, or one of those installed.

    Where none has them all, a warning names those that are drawn as boxes.
    """
    return _font_with(frozenset(letter for text in texts for letter in text if not letter.isspace()), tuple(first))


@lru_cache(64)
def _font_with(letters: frozenset[str], first: tuple[str, ...]) -> str:
    import matplotlib

    absent = {}
    for path in (*first, str(Path(matplotlib.get_data_path(), 'fonts', 'ttf', 'DejaVuSans.ttf'))):
        absent[path] = _missing(path, letters)
        if not absent[path]:
            return path
    from matplotlib import font_manager  # only now: the first time it lists all fonts

    installed = {entry.fname for entry in font_manager.fontManager.ttflist if 'LastResort' not in entry.fname}
    for path in sorted(installed):
        absent[path] = _missing(path, letters)
        if not absent[path]:
            return path
    best = min(absent, key=lambda path: len(absent[path]))  # of equal ones the first
    _warn_once(''.join(sorted(absent[best])))
    return best


@lru_cache(64)
def _warn_once(letters: str) -> None:
    warnings.warn(f'no installed font has all letters of the labels: {letters} are drawn as boxes; install one that '
                  'has them, such as fonts-noto-cjk', LettersWarning, stacklevel=5)


def _missing(path: str, letters: frozenset[str]) -> set[str]:
    from matplotlib.ft2font import FT2Font

    try:
        known = FT2Font(path).get_charmap()
    except (OSError, RuntimeError):  # a damaged file
        return set(letters)
    return {letter for letter in letters if ord(letter) not in known}


@lru_cache(32)
def load_font(path: str, size: int) -> 'ImageFont.FreeTypeFont':
    """A font of Pillow."""
    from PIL import ImageFont

    return ImageFont.truetype(path, size)
