"""Large annotation files, read faster than by json."""
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.fileio import get, load

try:
    import msgspec
except ImportError:  # json reads the same in twice the time
    msgspec = None


def load_json(file: str, backend_args: dict | None = None) -> Any:
    """The content of a json file, read by msgspec where it is installed, else by json.

    If msgspec raises an error, json reads the file: it accepts NaN and numbers beyond a float, or raises its own error.
    """
    with paused_collector():
        if msgspec is not None:
            try:
                return msgspec.json.decode(get(file, backend_args=backend_args))
            except msgspec.DecodeError:
                pass
        return load(file, file_format='json', backend_args=backend_args)


@contextmanager
def paused_collector() -> Iterator[None]:
    """Pause Python's garbage collector, which visits all objects again and again while millions are made."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
