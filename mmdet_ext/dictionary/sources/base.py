"""What the builder of a dictionary asks of a source of features."""
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Samples:
    """Features of some items of a source.

    Args:
        features: (n, d) float32 as the model gave them, not normalised.
        items: (n, ) int64, ascending: which image, text or row each is from.
        boxes: (n, 4) float32, x1, y1, x2, y2 in pixels of the image that each stands for; zeros where there is none.
        skipped: What could not be read: one line each, which names the file and the reason.
    """
    features: np.ndarray
    items: np.ndarray
    boxes: np.ndarray
    skipped: list[str] = field(default_factory=list)


class Source(ABC):
    """Items (images, texts, rows), each of which has up to `per_item` features.

    Attributes:
        name: 'vision', 'clip', 'text' or 'file'.
        width: d, the width of the features.
        num_items: How many images, texts or rows there are.
        per_item: Features of an item at most.
        batch_size: Items to compute at a time.
        fingerprint: Plain values that decide all features: an interrupted build goes on only where they are the same.
    """
    name: str
    width: int
    num_items: int
    per_item: int = 1
    batch_size: int
    fingerprint: dict[str, Any]

    @abstractmethod
    def compute(self, items: Sequence[int]) -> Samples:
        """All features of a batch of items, ascending; they depend on nothing but the source and `items`."""

    @abstractmethod
    def describe(self, item: int, box: np.ndarray) -> dict[str, Any]:
        """Where a sample comes from, as in `Atoms.nearest` but for `source` and `similarity`."""
