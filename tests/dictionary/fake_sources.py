"""Sources of features for the tests of the builder."""
from typing import Any

import numpy as np
from mmdet_ext.dictionary.sources.base import Samples, Source


class MatrixSource(Source):
    """The rows of a matrix, `size` to a chunk; items in `broken` cannot be read."""

    def __init__(self, rows: np.ndarray, *, size: int = 4, name: str = 'file', broken: tuple[int, ...] = ()) -> None:
        self.rows, self.size, self.name, self.broken = rows.astype(np.float32), size, name, broken
        self.num_items, self.width = rows.shape
        self.num_chunks = -(-self.num_items // size)
        self.asked: list[int] = []

    def chunk(self, index: int) -> Samples:
        self.asked.append(index)
        items = np.arange(index * self.size, min((index + 1) * self.size, self.num_items))
        good = items[~np.isin(items, self.broken)]
        skipped = [f'row {item}: broken' for item in items if item in self.broken]
        boxes = np.repeat(good[:, None], 4, axis=1).astype(np.float32)
        return Samples(self.rows[good], good, boxes, skipped)

    def describe(self, item: int, box: np.ndarray) -> dict[str, Any]:
        assert box.tolist() == [item] * 4
        return dict(file='rows.npy', row=item)

    def fingerprint(self) -> dict[str, Any]:
        return dict(rows=self.num_items, size=self.size)


def grouped_rows(groups: int, per_group: int, width: int, *, noise: float = 0.05,
                 seed: int = 0) -> tuple[np.ndarray, ...]:
    """Rows (groups * per_group, width) around orthonormal directions (groups, width), mixed, and the group of each."""
    rng = np.random.default_rng(seed)
    directions = np.linalg.qr(rng.standard_normal((width, groups)))[0].T
    labels = rng.permutation(np.repeat(np.arange(groups), per_group))
    lengths = rng.uniform(0.5, 3, (len(labels), 1))
    rows = lengths * (directions[labels] + noise * rng.standard_normal((len(labels), width)) / width ** 0.5)
    return rows.astype(np.float32), directions, labels
