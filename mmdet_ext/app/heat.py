"""Images for the page: as data URIs, and maps over an image as colours."""
import base64

import cv2
import matplotlib
import numpy as np

MOST_PIXELS = 1600  # longer side of an image in the page


def data_uri(image: np.ndarray, suffix: str = '.jpg', longest: int = MOST_PIXELS) -> str:
    """An image (H, W, 3) uint8 RGB as text for the `src` of an `img`, made smaller if a side has too many pixels."""
    factor = longest / max(image.shape[:2])
    if factor < 1:
        height, width = image.shape[:2]
        size = max(1, round(width * factor)), max(1, round(height * factor))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    options = [cv2.IMWRITE_JPEG_QUALITY, 92] if suffix == '.jpg' else []
    _, encoded = cv2.imencode(suffix, np.ascontiguousarray(image[..., ::-1]), options)
    kind = 'jpeg' if suffix == '.jpg' else suffix[1:]
    return f'data:image/{kind};base64,{base64.b64encode(encoded).decode()}'


def heat(image: np.ndarray, values: np.ndarray, colors: str, low: float, high: float) -> np.ndarray:
    """Colours for a map over a pale grey copy of an image, which shows through where values are near 0.

    Args:
        image: (H, W, 3) uint8 RGB.
        values: (h, w), a raster that covers the image.
        colors: Name of a colormap.
        low: Value of its first colour.
        high: Value of its last colour, above `low`.

    Returns:
        (h, w, 3) uint8 RGB.
    """
    height, width = values.shape
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    pale = 255 * 0.55 + 0.45 * (small @ np.float32([0.299, 0.587, 0.114]))[..., None]
    coloured = 255 * matplotlib.colormaps[colors](np.clip((values - low) / (high - low), 0, 1))[..., :3]
    opacity = np.clip(1.6 * np.abs(values) / max(abs(low), abs(high)), 0, 0.85)[..., None]
    return (opacity * coloured + (1 - opacity) * pale).round().astype(np.uint8)


def raster_shape(size: tuple[int, int], longest: int = 220) -> tuple[int, int]:
    """(height, width) of a raster for an image of this (height, width)."""
    factor = longest / max(size)
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))
