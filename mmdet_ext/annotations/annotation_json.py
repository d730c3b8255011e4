"""Read json files of annotations, faster than Python's json does; errors name the file and the line or byte."""
import codecs
import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.fileio import get

try:
    import msgspec
except ImportError:  # json reads the same in twice the time
    msgspec = None


def load_json(file: str, backend_args: dict | None = None) -> Any:
    """The content of a json file in UTF-8, with or without a byte order mark.

    It is read by msgspec where that is installed, else by json. What msgspec refuses, json reads: it accepts NaN and
    numbers beyond a float.

    Args:
        file: Path or URL.
        backend_args: Of mmengine's storage backend.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: The file is empty, no text in UTF-8 or no json; with line and column, or the byte.
    """
    data = get(file, backend_args=backend_args)
    if not data.strip():
        raise ValueError(f'{file}: the file is empty')
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b'\0' in data[:4]:
        raise ValueError(f'{file}: byte 0: the file is not in UTF-8, but in UTF-16, UTF-32 or no text at all')
    data = data.removeprefix(codecs.BOM_UTF8)
    with paused_collector():
        if msgspec is not None:
            try:
                return msgspec.json.decode(data)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                pass
        try:
            return json.loads(data.decode())
        except UnicodeDecodeError as error:
            raise ValueError(f'{file}: byte {error.start}: the file is no text in UTF-8: {error.reason}') from error
        except json.JSONDecodeError as error:
            raise ValueError(f'{file}: line {error.lineno}, column {error.colno} (byte {error.pos}) is no valid json: '
                             f'{error.msg}') from error
        except RecursionError as error:
            raise ValueError(f'{file}: lists or objects are nested too deeply') from error


@contextmanager
def paused_collector() -> Iterator[None]:
    """Pause Python's garbage collector, which would visit all objects again and again while millions are made."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
