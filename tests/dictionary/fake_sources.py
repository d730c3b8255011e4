"""Sources of features for the tests of the builder."""
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmdet_ext.dictionary.sources.base import Samples, Source


class MatrixSource(Source):
    """Items of up to `per_item` successive rows of a matrix.

    Those in `broken` cannot be read, those in `short` lack the last row. `asked` lists the items that were computed.
    """

    def __init__(self, rows: np.ndarray, *, size: int = 4, per_item: int = 1, name: str = 'file',
                 broken: tuple[int, ...] = (), short: tuple[int, ...] = ()) -> None:
        self.rows, self.batch_size, self.name = rows.astype(np.float32), size, name
        self.broken, self.short = broken, short
        self.num_items, self.per_item, self.width = len(rows) // per_item, per_item, rows.shape[1]
        self.asked: list[int] = []
        self.fingerprint = dict(rows=len(rows), size=size)

    def compute(self, items: Sequence[int]) -> Samples:
        self.asked += items
        assert len(items) <= self.batch_size and list(items) == sorted(items)
        rows = [item * self.per_item + place for item in items if item not in self.broken
                for place in range(self.per_item - (item in self.short))]
        owners = np.array(rows, np.int64) // self.per_item
        boxes = np.repeat(np.array(rows)[:, None], 4, axis=1).astype(np.float32)
        skipped = [f'row {item}: broken' for item in items if item in self.broken]
        return Samples(self.rows[rows], owners, boxes.reshape(-1, 4), skipped)

    def describe(self, item: int, box: np.ndarray) -> dict[str, Any]:
        assert box.tolist()[0] // self.per_item == item
        return dict(file='rows.npy', row=int(box[0]))


def grouped_rows(groups: int, per_group: int, width: int, *, noise: float = 0.05,
                 seed: int = 0) -> tuple[np.ndarray, ...]:
    """Rows (groups * per_group, width) around orthonormal directions (groups, width), mixed, and the group of each."""
    rng = np.random.default_rng(seed)
    directions = np.linalg.qr(rng.standard_normal((width, groups)))[0].T
    labels = rng.permutation(np.repeat(np.arange(groups), per_group))
    lengths = rng.uniform(0.5, 3, (len(labels), 1))
    rows = lengths * (directions[labels] + noise * rng.standard_normal((len(labels), width)) / width ** 0.5)
    return rows.astype(np.float32), directions, labels


def everything(source: Source) -> Samples:
    """All samples of a source, computed batch by batch."""
    batches = [range(source.num_items)[start:start + source.batch_size]
               for start in range(0, source.num_items, source.batch_size)]
    parts = [source.compute(batch) for batch in batches]
    features, items, boxes = (np.concatenate([getattr(part, name) for part in parts])
                              for name in ('features', 'items', 'boxes'))
    return Samples(features, items, boxes, [line for part in parts for line in part.skipped])
