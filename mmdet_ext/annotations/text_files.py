"""Texts with their file and line: of plain text files, or the names and captions of COCO's and MDETR's files."""
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple


class Text(NamedTuple):
    """A text, its file, and from 1 its line, or its position among the categories or annotations of a COCO file."""
    text: str
    file: str
    line: int


def read_texts(files: Sequence[str | Path]) -> list[Text]:
    """All texts of the files in their order; of equal ones the first is kept.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A file is not UTF-8, has no text, or is JSON of another kind.
    """
    if not files:
        raise ValueError('files should name at least one file, got none')
    by_text: dict[str, Text] = {}
    for file in map(Path, files):
        texts = [Text(text.strip(), str(file), line) for line, text in enumerate(_strings(file, _decode(file)), 1)
                 if text.strip()]
        if not texts:
            raise ValueError(f'{file} holds no text')
        for text in texts:
            by_text.setdefault(text.text, text)
    return list(by_text.values())


def _decode(file: Path) -> str:
    if not file.is_file():
        raise FileNotFoundError(f'there is no text file {file} (seen from {Path.cwd()})')
    try:
        return file.read_bytes().decode('utf-8-sig')
    except UnicodeDecodeError as error:
        line, byte = error.object.count(b'\n', 0, error.start) + 1, error.object[error.start]
        raise ValueError(f'{file}, line {line}: should be UTF-8, has the byte 0x{byte:02x}') from error


def _strings(file: Path, content: str) -> Iterable[str]:
    """The lines, or the texts in JSON. A file that begins like JSON but is not is lines, unless its name is .json."""
    if content.lstrip()[:1] not in ('{', '['):
        return content.split('\n')
    try:
        parsed = json.loads(content)
    except ValueError as error:
        if file.suffix.startswith('.json'):
            raise ValueError(f'{file} is no JSON: {error}') from error
        return content.split('\n')
    for table, key in (('images', 'caption'), ('annotations', 'caption'), ('categories', 'name')):
        rows = parsed.get(table) if isinstance(parsed, dict) else None
        first = rows[0] if isinstance(rows, list) and rows else None
        if not first or (key == 'caption' and (not isinstance(first, dict) or key not in first)):
            continue
        for position, row in enumerate(rows, 1):
            if not isinstance(row, dict) or not isinstance(row.get(key), str):
                value = row.get(key) if isinstance(row, dict) else None
                raise ValueError(f'{file}: entry {position} of {table!r} has the {key} {value!r}, should be a text')
        return [row[key] for row in rows]
    raise ValueError(f"{file} is JSON, but neither COCO captions ('annotations' with 'caption') nor COCO annotations "
                     "('categories' with 'name'); plain texts stand one on a line")
