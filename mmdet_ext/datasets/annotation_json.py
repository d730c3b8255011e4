"""Large annotation files, read in less time than json takes."""
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
    """The content of a json file by msgspec where it is installed, else by json.

    What msgspec refuses json reads, which takes NaN and numbers beyond a float, or raises json's error.
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
    """Without the search for cycles, which goes through all objects again and again while millions are made."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
