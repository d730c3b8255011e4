"""Reading pictures, and cutting patches with their surroundings from them."""
import os

import cv2
import mmcv
import numpy as np

# A patch is shown with as much again on each side, and at least this many pixels of the picture.
_CONTEXT = 3
_LEAST_SIDE = 56


def read_picture(path: str | os.PathLike) -> np.ndarray:
    """Read a picture as uint8 (H, W, 3), RGB, turned as its EXIF data say: as mmcv's `LoadImageFromFile` does.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be decoded.
    """
    try:
        picture = mmcv.imread(str(path), channel_order='rgb')
    except (cv2.error, AttributeError, ValueError) as error:  # empty file; AttributeError: mmcv turned None into RGB
        raise ValueError(f'{path} is no picture that OpenCV can decode') from error
    if picture is None:
        raise ValueError(f'{path} is no picture that OpenCV can decode')
    return picture


def crop_around(picture: np.ndarray, box: tuple[float, float, float, float]) -> tuple[np.ndarray, tuple[int, int]]:
    """Cut a square around a box out of a picture, with context; where the picture ends, the square moves inwards.

    Args:
        picture: (H, W, 3).
        box: x1, y1, x2, y2 in pixels of the picture.

    Returns:
        The crop, square unless the box does not fit into one, and the (left, top) where it was cut.
    """
    left, top, right, bottom = box
    height, width = picture.shape[:2]
    longest = max(right - left, bottom - top)
    side = round(max(min(max(_CONTEXT * longest, _LEAST_SIDE), height, width), longest))
    x = min(max(round((left + right - side) / 2), 0), max(width - side, 0))
    y = min(max(round((top + bottom - side) / 2), 0), max(height - side, 0))
    return picture[y:y + side, x:x + side], (x, y)
