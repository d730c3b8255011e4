"""Drawing the features that a dictionary is made of before they are computed, so that only their items are computed.

A source has `num_items` x `per_item` candidates; number c is feature c % per_item of item c // per_item. Each candidate
is equally likely to be drawn, and none is drawn twice. If a candidate has no usable feature (its image is broken or has
fewer positions, the feature is zero or not finite) another one is drawn.
"""
import math
import sys

import numpy as np
from tqdm import tqdm

from mmdet_ext.files import read_arrays
from mmdet_ext.unfinished import Unfinished

from .processes import Processes
from .sources.base import Source

PIECE = 32  # batches whose features are kept in one file
COUNTS = 'computed', 'seen', 'zero', 'non_finite'


class Draw:
    """Draws from a source; what is computed is kept as pieces of unfinished work.

    All processes go through the same rounds. A round draws candidates and divides their items into batches and these
    into pieces, which depend on source, seed and capacity alone; each piece is computed by one process.

    Args:
        source: Where the features come from.
        number: Its place among the sources, from 0.
        capacity: Features to draw; all if there are fewer.
        seed: Decides which.
        work: Where the pieces are kept, on a file system that all processes share; ValueError if some are missing.
        processes: Which of the pieces are for this process.

    Attributes:
        size: n, how many features were drawn.
        counts: Items `computed`, candidates `seen`, and those of them that were `zero` or `non_finite`.
        skipped: What could not be read, a line each.
    """

    def __init__(self, source: Source, number: int, capacity: int, seed: int, work: Unfinished,
                 processes: Processes) -> None:
        self.source, self.number, self.work, self.processes = source, number, work, processes
        self.drawn = np.empty(0, np.int64)  # with the other candidates of items that have turned out to have none
        self.pieces: dict[str, np.ndarray] = {}  # usable candidates of each
        self.counts, self.skipped = dict.fromkeys(COUNTS, 0), []
        rng = np.random.default_rng([seed, number])
        total, usable, tried = source.num_items * source.per_item, 0, 0
        while usable < capacity and len(self.drawn) < total:
            share = max(usable / tried, 0.1) if tried else 1
            candidates = draw_more(self.drawn, total, math.ceil((capacity - usable) / share), rng)
            names = self._compute(candidates, first=len(self.pieces))
            processes.barrier()
            empty = self._note(names)
            others = np.add.outer(empty * source.per_item, np.arange(source.per_item))
            self.drawn = np.concatenate([self.drawn, candidates])
            self.drawn = np.append(self.drawn, np.setdiff1d(others, self.drawn))
            usable += sum(len(self.pieces[name]) for name in names)
            tried += len(candidates)
        self.size = min(usable, capacity)

    def load(self, out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Fill `out` (n, d) with the features in the order in which they were drawn.

        Returns:
            (n, ) int64, the item of each feature, and (n, 4) float32, its box.
        """
        order = np.argsort(self.drawn)
        ranks = order[np.searchsorted(self.drawn, np.concatenate([*self.pieces.values()]), sorter=order)]
        targets = np.argsort(np.argsort(ranks))
        items, boxes = np.empty(self.size, np.int64), np.empty((self.size, 4), np.float32)
        for name, candidates in self.pieces.items():
            rows, targets = np.split(targets, [len(candidates)])
            kept = rows < self.size
            with read_arrays(self.work.piece(name)) as piece:
                out[rows[kept]] = piece['features'][kept]
                boxes[rows[kept]] = piece['boxes'][kept]
            items[rows[kept]] = candidates[kept] // self.source.per_item
        return items, boxes

    def require_samples(self) -> None:
        """Raise a ValueError if nothing was drawn, and forget what was computed, so that it may be tried again."""
        if self.size:
            return
        for name in self.pieces:
            self.work.piece(name).unlink()
        reason = '{seen} samples: {zero} zero, {non_finite} not finite'.format(**self.counts)
        if self.skipped:
            reason += f'; {len(self.skipped)} items could not be read: {self.skipped[0]}'
        raise ValueError(f'{self.source.name}: none of its {self.source.num_items} items gave a usable sample '
                         f'({reason})')

    def _compute(self, candidates: np.ndarray, first: int) -> list[str]:
        """Compute this process's pieces of a round, whose numbers begin with `first`; the names of all of them."""
        items = np.unique(candidates // self.source.per_item)
        size = PIECE * self.source.batch_size
        pieces = [items[start:start + size] for start in range(0, len(items), size)]
        names = [f'features_{self.number}_{first + index:06d}.npz' for index in range(len(pieces))]
        rank, world = self.processes.rank, self.processes.world
        with tqdm(desc=f'{self.source.name} {self.number + 1}', total=sum(map(len, pieces[rank::world])), unit=' items',
                  disable=rank > 0, mininterval=0.1 if sys.stderr.isatty() else 30) as bar:
            for name, piece in zip(names[rank::world], pieces[rank::world], strict=True):
                if self.work.piece(name) is not None:
                    bar.update(len(piece))
                    continue
                arrays = self._compute_piece(piece, candidates, bar)
                with self.work.write(name) as file:
                    np.savez(file, **arrays)
        return names

    def _compute_piece(self, items: np.ndarray, candidates: np.ndarray, bar: tqdm) -> dict[str, np.ndarray]:
        """Unit features of the drawn candidates of some items, their boxes, and counts of what is unusable."""
        parts, skipped = [], []
        for start in range(0, len(items), self.source.batch_size):
            batch = self.source.compute(items[start:start + self.source.batch_size].tolist())
            for line in batch.skipped:
                tqdm.write(f'warning: skipped {line}', file=sys.stderr)
            skipped += batch.skipped
            computed = batch.items * self.source.per_item + np.arange(len(batch.items)) - np.searchsorted(
                batch.items, batch.items)
            drawn = np.isin(computed, candidates)
            parts.append((computed[drawn], batch.features[drawn], batch.boxes[drawn], batch.items))
            bar.update(min(self.source.batch_size, len(items) - start))
        computed, features, boxes, filled = map(np.concatenate, zip(*parts, strict=True))
        norms = np.linalg.norm(features.astype(np.float64), axis=1)
        finite = np.isfinite(norms)
        good = finite & (norms > 0)
        return dict(
            candidates=computed[good], features=(features[good] / norms[good, None]).astype(np.float32),
            boxes=boxes[good], counts=np.array([len(items), len(norms), (norms == 0).sum(), (~finite).sum()]),
            empty=np.setdiff1d(items, filled), skipped=np.array(skipped, np.str_))

    def _note(self, names: list[str]) -> np.ndarray:
        """Take down the candidates of finished pieces; returns the items that have none."""
        if missing := [name for name in names if self.work.piece(name) is None]:
            raise ValueError(f'{self.source.name}: {len(missing)} of {len(names)} pieces are missing: is '
                             f'{self.work.folder} on a file system that all processes share?')
        empty = []
        for name in names:
            with read_arrays(self.work.piece(name)) as piece:
                self.pieces[name] = piece['candidates']
                empty.append(piece['empty'])
                for key, count in zip(COUNTS, piece['counts'].tolist(), strict=True):
                    self.counts[key] += count
                self.skipped = list(dict.fromkeys([*self.skipped, *piece['skipped'].tolist()]))
        return np.concatenate(empty)


def draw_more(drawn: np.ndarray, total: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `count` of the numbers 0..total - 1 that are not `drawn` yet, all the rest if there are fewer, in any order.

    Memory is that of `count`, not of `total`, where `total` is much larger.
    """
    left = total - len(drawn)
    ranks = rng.choice(left, min(count, left), replace=False)  # among those that are left
    below = np.sort(drawn) - np.arange(len(drawn))
    return ranks + np.searchsorted(below, ranks, side='right')
