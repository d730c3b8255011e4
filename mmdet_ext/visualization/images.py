"""Images to look at: reading them, giving them to a model, cutting patches from them, naming what is drawn of them."""
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch.nn as nn
from mmcv.transforms import Compose

from .. import image_files
from ..files import free_name

# A patch is shown with as much again on each side, and at least this many pixels of the image.
_CONTEXT = 3
_LEAST_SIDE = 56


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Read an image as uint8 (H, W, 3), RGB, turned as its EXIF data say: as mmcv's `LoadImageFromFile` does.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be decoded.
    """
    return image_files.read_image(path)[..., ::-1].copy()


def batch_of(path: str | os.PathLike, model: nn.Module, pipeline: Compose) -> dict[str, Any]:
    """A batch of one image as the model takes it: `inputs` (1, 3, H, W) and `data_samples`."""
    data = pipeline(dict(img_path=str(path), img_id=0))
    return model.data_preprocessor(dict(inputs=[data['inputs']], data_samples=[data['data_samples']]), False)


def unique_names(paths: Sequence[str]) -> list[str]:
    """The stem of each path, with a number behind it where an earlier one has the same."""
    names = []
    for path in paths:
        names.append(free_name(Path(path).stem, names))
    return names


def crop_around(image: np.ndarray, box: tuple[float, float, float, float]) -> tuple[np.ndarray, tuple[int, int]]:
    """Cut a square around a box out of an image, with context; at the border of the image the square moves inwards.

    Args:
        image: (H, W, 3).
        box: x1, y1, x2, y2 in pixels of the image.

    Returns:
        The crop, square unless the box does not fit into one, and the (left, top) where it was cut.
    """
    left, top, right, bottom = box
    height, width = image.shape[:2]
    longest = max(right - left, bottom - top)
    side = round(max(min(max(_CONTEXT * longest, _LEAST_SIDE), height, width), longest))
    x = min(max(round((left + right - side) / 2), 0), max(width - side, 0))
    y = min(max(round((top + bottom - side) / 2), 0), max(height - side, 0))
    return image[y:y + side, x:x + side], (x, y)
