"""Lists of the ids of pictures that must not be trained on."""
import json
from collections.abc import Iterable
from pathlib import Path

from .json_stream import stream_items
from .plain_pickle import load_plain_pickle


def read_ids(path: Path) -> set[str]:
    """The ids of a file: a list as pickle or json, the pictures of a COCO file, or a text with one on a line.

    Raises:
        ValueError: If the file is damaged, or holds something other than ids, or none.
    """
    if path.suffix in ('.pkl', '.p', '.pickle'):
        found = load_plain_pickle(path)
    elif path.suffix == '.json':
        found = (row.get('id') if isinstance(row, dict) else row for row in stream_items(path, 'images'))
    else:
        found = path.read_text().split()
    if not isinstance(found, Iterable) or isinstance(found, (str, bytes)):
        raise ValueError(f'{path} should be a list of ids, got {found!r}')
    ids = {checked_id(value, str(path)) for value in found}
    if not ids:
        raise ValueError(f'{path} has no id')
    return ids


def checked_id(value: object, where: str) -> str:
    """An id as text, without leading zeros: 71 and '71' and '0071' are one picture."""
    if type(value) is not int and not (isinstance(value, str) and value):
        raise ValueError(f'{where}: {json.dumps(value, default=repr)} is no id of a picture')
    text = str(value)
    return str(int(text)) if text.isdecimal() else text
