"""What an unfinished build leaves on disk, so that the same command goes on from there."""
import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from .clustering import Clusters
from ..files import check_writable, read_arrays, replace_file

SAVE_SECONDS = 30


class State:
    """A folder with the arguments of a build, what its processes have drawn so far, and its clusters.

    Args:
        folder: It is made by `begin` and deleted by `remove`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.arguments = folder / 'arguments.json'
        self.clusters = folder / 'clusters.npz'

    def begin(self, sampling: dict[str, Any], clustering: dict[str, Any], *, restart: bool = False) -> None:
        """Take up what is there, if it was made with the same arguments; otherwise make the folder.

        Args:
            sampling: Plain values that decide which samples are drawn.
            clustering: Plain values that decide what becomes of them.
            restart: Whether to delete what is there.

        Raises:
            ValueError: If other arguments made what is there, with their names and values.
        """
        if self.folder.exists() and not self.arguments.is_file() and (
                not self.folder.is_dir() or any(self.folder.iterdir())):
            raise ValueError(f'{self.folder} is in the way: the state of the build goes there, and it is none')
        if restart:
            self.remove()
        ours = json.loads(json.dumps(dict(sampling=sampling, clustering=clustering), default=str))
        if self.arguments.is_file():
            try:
                theirs = json.loads(self.arguments.read_text())
            except ValueError as error:
                raise ValueError(f'{self.arguments} is damaged ({error}): forget the saved state with '
                                 '--restart') from error
            differences = [line for part in theirs for line in _differences(theirs[part], ours[part])]
            if differences:
                raise ValueError(f'{self.folder} holds an unfinished build with other arguments: '
                                 f'{"; ".join(differences)}. Give the same ones to go on, or --restart to forget it')
        check_writable(self.folder)
        self._write(ours)

    def part(self, source: int, rank: int) -> Path:
        """The file for what process `rank` has drawn from a source."""
        return self.folder / f'samples_{source}_{rank}.npz'

    def parts(self, source: int) -> list[Path]:
        """All such files that are there."""
        return sorted(self.folder.glob(f'samples_{source}_*.npz'))

    def save_clusters(self, clusters: Clusters) -> None:
        with replace_file(self.clusters) as file:
            np.savez(file, **vars(clusters))

    def load_clusters(self) -> Clusters | None:
        """The clusters that were saved last, or None."""
        if not self.clusters.is_file():
            return None
        with read_arrays(self.clusters) as saved:
            return Clusters(saved['centres'], saved['inertias'].tolist(), saved['counts'], saved['labels'],
                            int(saved['restarts']), bool(saved['finished']), bool(saved['converged']))

    def forget_clustering(self) -> None:
        """Keep the samples for a build with another number of atoms or channels."""
        self.clusters.unlink(missing_ok=True)
        self._write(dict(sampling=json.loads(self.arguments.read_text())['sampling']))

    def forget_samples(self, source: int) -> None:
        """Draw from this source again next time."""
        for path in self.parts(source):
            path.unlink()

    def remove(self) -> None:
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def _write(self, arguments: dict[str, Any]) -> None:
        with replace_file(self.arguments) as file:
            file.write(json.dumps(arguments, indent=1).encode())


class Timer:
    """Says when it is time to save again: `SAVE_SECONDS` after the last time."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def due(self) -> bool:
        if time.monotonic() - self.last < SAVE_SECONDS:
            return False
        self.last = time.monotonic()
        return True


def _differences(then: Any, now: Any, name: str = '') -> list[str]:
    """A line for each plain value that differs, by its path in nested dicts and lists."""
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        then, now = dict(enumerate(then)), dict(enumerate(now))
    if not (isinstance(then, dict) and isinstance(now, dict)):
        return [] if then == now else [f'{name} was {_short(then)} and is {_short(now)}']
    missing = object()
    lines = []
    for key in dict.fromkeys([*then, *now]):
        path = f'{name} {key}'.strip()
        if then.get(key, missing) is missing or now.get(key, missing) is missing:
            lines.append(f'{path} was {_short(then.get(key))} and is {_short(now.get(key))}')
        else:
            lines += _differences(then[key], now[key], path)
    return lines


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f'{text[:57]}...'
