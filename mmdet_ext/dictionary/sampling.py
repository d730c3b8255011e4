"""The sample of one source: what one process has drawn from it, as a file, and merged with what others have drawn."""
from pathlib import Path

import numpy as np

from ..files import read_arrays, replace_file
from .reservoir import Reservoir
from .sources.base import Samples, Source

MAX_LINES = 100  # of what could not be read, kept for the report


class SourceSample:
    """Unit features drawn from some chunks of a source, and the count of what was left out.

    Args:
        source: Where the features come from.
        number: Its place among the sources, from 0.
        capacity: Rows to keep.
        seed: Of the random keys: each chunk has its own generator, so that any process draws the same for it.

    Attributes:
        reservoir: The rows.
        done: (num_chunks, ) bool, the chunks that were drawn from.
        seen: Samples that the source gave.
        zero: Those dropped because all values are 0.
        non_finite: Those dropped because a value is NaN or infinite.
        skipped: Items that could not be read.
        lines: Chunk and reason of the first of them, in the order of the chunks.
    """

    def __init__(self, source: Source, number: int, capacity: int, seed: int) -> None:
        self.number, self.seed = number, seed
        self.reservoir = Reservoir(capacity, source.width)
        self.done = np.zeros(source.num_chunks, bool)
        self.seen = self.zero = self.non_finite = self.skipped = 0
        self.lines: list[tuple[int, str]] = []

    def draw(self, chunk: int, samples: Samples) -> None:
        """Offer the samples of a chunk to the reservoir."""
        keys = np.random.default_rng([self.seed, self.number, chunk]).random(len(samples.features))
        norms = np.linalg.norm(samples.features.astype(np.float64), axis=1)
        finite = np.isfinite(norms)
        good = finite & (norms > 0)
        features = (samples.features[good] / norms[good, None]).astype(np.float32)
        self.reservoir.offer(features, keys[good], samples.items[good], samples.boxes[good])
        self.seen += len(norms)
        self.zero += int((norms == 0).sum())
        self.non_finite += int((~finite).sum())
        self._keep_lines(len(samples.skipped), [(chunk, line) for line in samples.skipped])
        self.done[chunk] = True

    def save(self, path: Path) -> None:
        """Write everything in one go."""
        counts = np.array([self.seen, self.zero, self.non_finite, self.skipped])
        chunks = np.array([chunk for chunk, _ in self.lines], np.int64)
        texts = np.array([line for _, line in self.lines], np.str_)
        with replace_file(path) as file:
            np.savez(file, done=self.done, counts=counts, line_chunks=chunks, line_texts=texts,
                     **self.reservoir.filled())

    def merge(self, path: Path) -> None:
        """Add what another process drew and `save` wrote; nothing if its chunks are in here already.

        Two files have either no chunk in common, or all those of one: no process takes a chunk that is done, and a file
        may still be there after it was merged.
        """
        with read_arrays(path) as part:
            done = part['done']
            if done.shape != self.done.shape:
                raise ValueError(f'{path} is about {len(done)} chunks, and the source has {len(self.done)}: forget the '
                                 'saved state with --restart')
            if (done & self.done).any():
                return
            self.reservoir.offer(part['features'], part['keys'], part['items'], part['boxes'])
            seen, zero, non_finite, skipped = map(int, part['counts'])
            lines = list(zip(part['line_chunks'].tolist(), part['line_texts'].tolist()))
        self.seen, self.zero, self.non_finite = self.seen + seen, self.zero + zero, self.non_finite + non_finite
        self._keep_lines(skipped, lines)
        self.done |= done

    def _keep_lines(self, count: int, lines: list[tuple[int, str]]) -> None:
        self.skipped += count
        self.lines = sorted(self.lines + lines, key=lambda line: line[0])[:MAX_LINES]


def done_chunks(path: Path) -> np.ndarray:
    """Which chunks a file of `SourceSample.save` holds, (num_chunks, ) bool."""
    with read_arrays(path) as part:
        return part['done']
