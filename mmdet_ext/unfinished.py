"""Results that a long command keeps on disk, so that after an interruption the same command goes on from there."""
import json
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

from .files import check_writable, replace_file


class Unfinished:
    """A folder of finished pieces beside the file or folder that they are made for.

    A piece is written completely or not at all, so a run may end at any moment. Processes that share the folder may use
    it together: one of them calls `begin` before the others read or write, and no two write the same piece.

    Args:
        output: What is being made. The pieces are kept in OUTPUT.parts.
    """

    def __init__(self, output: Path) -> None:
        self.folder = output.with_name(f'{output.name}.parts')
        self.settings = self.folder / 'settings.json'

    def begin(self, settings: Mapping[str, Any], *, restart: bool = False) -> None:
        """Make the folder, or go on with the folder of an earlier run with the same settings.

        Args:
            settings: Everything that the pieces depend on, as json.
            restart: Whether to delete the pieces of an earlier run.

        Raises:
            ValueError: If the folder has files that are no pieces, or pieces of other settings, which are named.
        """
        if self.folder.exists() and not self.settings.is_file() and (
                not self.folder.is_dir() or any(self.folder.iterdir())):
            raise ValueError(f'{self.folder} is in the way: unfinished work is kept there, and it holds something else')
        if restart:
            self.remove()
        check_writable(self.folder)
        settings = json.loads(json.dumps(settings))
        if self.settings.is_file():
            try:
                earlier = json.loads(self.settings.read_bytes())
            except ValueError as error:
                raise ValueError(f'{self.settings} is damaged ({error}): --restart forgets it') from error
            if changed := differences(earlier, settings):
                raise ValueError(f'{self.folder} holds unfinished work with other settings: {"; ".join(changed)}. '
                                 'Give the same ones to go on, or --restart to forget it')
        with self.write(self.settings.name) as file:
            file.write(json.dumps(settings, indent=1).encode())

    def piece(self, name: str) -> Path | None:
        """The file of a piece; None if it is not made yet."""
        path = self.folder / name
        return path if path.is_file() else None

    def write(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A file to write a piece to, which is there once the block ends without an exception."""
        return replace_file(self.folder / name)

    def remove(self) -> None:
        """Delete the folder."""
        if self.folder.exists():
            shutil.rmtree(self.folder)


def file_version(path: Path) -> list[str | int]:
    """Path, size and time of change of an input file, for settings."""
    status = path.stat()
    return [str(path.resolve()), status.st_size, status.st_mtime_ns]


def differences(earlier: Any, now: Any, name: str = '') -> list[str]:
    """A line for each plain value that differs, by its path in nested dicts and lists."""
    if isinstance(earlier, list) and isinstance(now, list) and len(earlier) == len(now):
        earlier, now = dict(enumerate(earlier)), dict(enumerate(now))
    if isinstance(earlier, dict) and isinstance(now, dict):
        return [line for key in dict.fromkeys([*earlier, *now])
                for line in differences(earlier.get(key), now.get(key), f'{name} {key}'.strip())]
    return [] if earlier == now else [f'{name} was {json.dumps(earlier):.60} and is {json.dumps(now):.60}']
