"""Reading and writing image files."""
import os
from pathlib import Path

import cv2
import mmcv
import numpy as np

from .files import replace_file

QUALITY = {'.jpg': [cv2.IMWRITE_JPEG_QUALITY, 92], '.jpeg': [cv2.IMWRITE_JPEG_QUALITY, 92],
           '.webp': [cv2.IMWRITE_WEBP_QUALITY, 90]}
WRITTEN = (*QUALITY, '.png', '.bmp', '.tif', '.tiff')  # suffixes of what `write_image` writes


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Read an image as uint8 (H, W, 3), BGR, turned as its EXIF data say: as mmcv's `LoadImageFromFile` does.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be decoded.
    """
    try:
        image = mmcv.imread(str(path))
    except (cv2.error, ValueError) as error:  # an empty file
        raise ValueError(f'{path} is no image that OpenCV can decode') from error
    if image is None:
        raise ValueError(f'{path} is no image that OpenCV can decode')
    return image


def write_image(path: Path, image: np.ndarray) -> None:
    """Write (H, W, 3) uint8 BGR in the form that the suffix names, completely or not at all.

    Raises:
        ValueError: That form cannot hold the image.
        OSError: The file cannot be written.
    """
    encoded, content = cv2.imencode(path.suffix, image, QUALITY.get(path.suffix.lower(), []))
    if not encoded:
        raise ValueError(f'{path}: OpenCV cannot write an image of {image.shape[1]} x {image.shape[0]} pixels')
    with replace_file(path) as file:
        file.write(content.tobytes())
