"""Reading pictures that may be broken."""
import struct
from pathlib import Path

import cv2
from PIL import Image

# what Pillow, OpenCV and mmcv raise at files that are no pictures, or parts of one
READ_ERRORS = (OSError, SyntaxError, ValueError, EOFError, AssertionError, struct.error, cv2.error,
               Image.DecompressionBombError)


def check_whole(path: str | Path) -> None:
    """Raise one of `READ_ERRORS` unless the file is a whole picture.

    Some releases of OpenCV fill up what a truncated JPEG lacks. Decoding it at an eighth of its size, the least that
    JPEG allows, reads all of the file and takes a fraction of the time.
    """
    with Image.open(path) as picture:
        picture.draft(None, (1, 1))
        picture.load()


def skip_line(path: str | Path, error: Exception) -> str:
    """`PATH: REASON` for `Samples.skipped`."""
    reason = getattr(error, 'strerror', None) or str(error).replace(f' {str(path)!r}', '') or type(error).__name__
    return f'{path}: {" ".join(reason.split())}'
