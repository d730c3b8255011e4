"""Rows of large json files, each decoded when it is asked for and checked against a type."""
import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import msgspec

T = TypeVar('T')

Number = int | float
Box = tuple[Number, Number, Number, Number]  # x, y, width, height in pixels, unless said otherwise
Text = Annotated[str, msgspec.Meta(pattern=r'\S')]  # with a character that is no white space
Side = Annotated[int, msgspec.Meta(gt=0)]  # in pixels
Id = int | str
Row = tuple[str, int | str, T]  # the name of file and row for errors, the row's number or key, and the row

_BYTE_ORDER_MARK = b'\xef\xbb\xbf'


def row_type(name: str, /, **fields: Any) -> type[msgspec.Struct]:
    """The type of rows that have these fields, and maybe others, which are not read."""
    return msgspec.defstruct(name, fields.items())


class JsonRows(Generic[T]):
    """The rows of a json file as `Row`s.

    The file stays on disk, mapped into memory; about 50 bytes are held of a row. That the file is json is checked at
    once, that a row is of its type when it is read: a ValueError names file, row, key and value.

    Args:
        table: Key of the table, an array, if the file holds an object. A file that is an array is the table itself, and
            with None so is one that is an object.
        name: What a row is called in errors, with {} for its number or key.
    """

    def __init__(self, path: Path, type_: type[T], table: str | None = None, name: str = 'row {}') -> None:
        self._name = f'{path}: {name}'
        self._decoder = msgspec.json.Decoder(type_)
        self._rows = read_top_level(path)
        if table is not None and isinstance(self._rows, dict):
            if table not in self._rows:
                raise ValueError(f'{path} has no table {table!r}')
            self._rows = decode(self._rows[table], msgspec.json.Decoder(list[msgspec.Raw]), f'{path}: {table}')

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row[T]]:
        return map(self.__getitem__, self._rows if isinstance(self._rows, dict) else range(len(self)))

    def __getitem__(self, key: int | str) -> Row[T]:
        location = self._name.replace('{}', str(key))
        return location, key, decode(self._rows[key], self._decoder, location)


def read_top_level(path: Path) -> dict[str, msgspec.Raw] | list[msgspec.Raw]:
    """The members of the object, or the items of the array, of which a json file consists; none of them is decoded."""
    with path.open('rb') as file:
        content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else b'')
    if content[:3] == _BYTE_ORDER_MARK:
        content = content[3:]
    return decode(content, msgspec.json.Decoder(dict[str, msgspec.Raw] | list[msgspec.Raw]), str(path))


def read_json(path: Path, type_: type[T]) -> T:
    """The content of a json file of a type; a ValueError about one of another type names file, key and value."""
    return decode(path.read_bytes().removeprefix(_BYTE_ORDER_MARK), msgspec.json.Decoder(type_), str(path))


def decode(raw: Any, decoder: msgspec.json.Decoder, location: str) -> Any:
    """Decode json, as bytes; `location` names it in the ValueError about one that is not what the decoder expects."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_value(error, msgspec.json.decode(raw), location) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f'{location} is no json that can be read: {error}') from error


def wrong_value(error: msgspec.ValidationError, value: Any, location: str) -> ValueError:
    """The error about a value that is not what msgspec expects, which names its key and the value there."""
    problem, _, key = str(error).replace("matching regex '\\\\S'", 'that is not blank').partition(' - at `$')
    for step in re.findall(r'\w+|\.\.\.', key):
        if step == '...':  # some value of a table, msgspec does not say which
            break
        value = value[int(step)] if isinstance(value, list) else value[step]
    key = f'{key.strip(".`")}: ' if key else ''
    return ValueError(f'{location}: {key}{problem.replace("`", "")}, got {value!r:.100}')
