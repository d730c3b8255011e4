"""Files that list images: their sizes, or the ids of those that must not be trained on."""
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ...unpickler import CheckpointError, RestrictedUnpickler
from .json_rows import Id, JsonRows, Side, read_top_level, row_type

Size = tuple[Side, Side]  # (height, width) in pixels
Sizes = dict[str, Size]  # by the id of the image

_SizeRow = row_type('_SizeRow', image_id=Id, height=Side, width=Side)
_IdRow = row_type('_IdRow', id=Id)


def read_sizes(path: Path) -> Sizes:
    """The sizes in Visual Genome's `image_data.json` or PhraseCut's `image_data_split.json`.

    The file is a list of rows with `image_id`, `height` and `width`, or a table of [height, width] by id; otherwise a
    ValueError names the row.
    """
    if isinstance(read_top_level(path), dict):
        return {key: size for _, key, size in JsonRows(path, Size, name='image {}')}
    return {str(row.image_id): (row.height, row.width) for _, _, row in JsonRows(path, _SizeRow)}


def read_ids(path: Path) -> set[str]:
    """The ids of a file, at least one: a list as pickle or json, the images of a COCO file, or a text of one a line."""
    if path.suffix in ('.pkl', '.p', '.pickle'):
        values = load_plain_pickle(path)
    elif path.suffix == '.json':
        values = [row.id if isinstance(row, _IdRow) else row for _, _, row in JsonRows(path, Id | _IdRow, 'images')]
    else:
        values = path.read_text(encoding='utf-8').split()
    if not isinstance(values, Collection) or isinstance(values, (str, bytes)):
        raise ValueError(f'{path} should be a list of ids, got {values!r}')
    if wrong := [value for value in values if type(value) is not int and not (isinstance(value, str) and value)]:
        raise ValueError(f'{path}: {wrong[0]!r} is no id of an image')
    if not values:
        raise ValueError(f'{path} has no id')
    return set(map(plain_id, values))


def plain_id(value: Id) -> str:
    """An id as text, without leading zeros: 71, '71' and '0071' are one image."""
    text = str(value)
    return str(int(text)) if text.isdecimal() else text


def load_plain_pickle(path: Path) -> Any:
    """Numbers, texts, lists, tuples, dicts and sets of a pickle, of Python 2 as well; nothing that it names is run.

    A file that is damaged, or names anything that is not among what published files need, is a ValueError.
    """
    with path.open('rb') as file:
        try:
            return RestrictedUnpickler(file, str(path)).load()
        except CheckpointError:
            raise
        except Exception as error:  # a broken pickle can raise anything
            raise ValueError(f'{path}: not a pickle, or damaged ({error!r})') from error
