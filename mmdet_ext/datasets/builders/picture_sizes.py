"""Heights and widths of pictures, which questions and phrases come without."""
import json
from collections.abc import Mapping
from pathlib import Path

from PIL import Image, UnidentifiedImageError

Sizes = dict[str, tuple[int, int]]  # (height, width) of each picture by its id


def read_sizes(path: Path) -> Sizes:
    """The sizes in Visual Genome's `image_data.json` or PhraseCut's `image_data_split.json`.

    The file is read whole: it has one short row for each of Visual Genome's 108,079 pictures.

    Args:
        path: A list of rows with `image_id`, `height` and `width`, or a table of [height, width] by id.

    Raises:
        ValueError: If it is neither, or a size is none.
    """
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise ValueError(f'{path} is no json: {error}') from error
    if isinstance(content, Mapping):
        rows = [(key, size) for key, size in content.items()]
    elif isinstance(content, list):
        rows = [_row_size(row, place, path) for place, row in enumerate(content)]
    else:
        raise ValueError(f'{path} should be a list of pictures, got {type(content).__name__}')
    return {str(key): checked_size(size, f'{path}: picture {key}') for key, size in rows}


def _row_size(row: object, place: int, path: Path) -> tuple[object, list]:
    if not isinstance(row, Mapping) or 'image_id' not in row:
        raise ValueError(f'{path}: row {place} has no image_id')
    return row['image_id'], [row.get('height'), row.get('width')]


def checked_size(size: object, where: str) -> tuple[int, int]:
    """(height, width) of a picture, if they are whole numbers above 0."""
    good = isinstance(size, (list, tuple)) and len(size) == 2 and all(type(side) is int and side > 0 for side in size)
    if not good:
        raise ValueError(f'{where} should have a height and a width in pixels, got {size!r}')
    return size[0], size[1]


def picture_file_size(path: Path) -> tuple[int, int]:
    """(height, width) of a picture, of which no more than the header is read.

    Raises:
        ValueError: If there is no picture.
    """
    try:
        with Image.open(path) as picture:
            return picture.height, picture.width
    except (OSError, UnidentifiedImageError) as error:
        raise ValueError(f'the size of {path} cannot be read: {error}') from error
