"""What the builder of a dictionary asks of a source of features."""
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Samples:
    """Sampled features of one chunk of a source.

    Args:
        features: (n, d) float32 as the model gave them, not normalised.
        items: (n, ) int64, which picture, text or row each is from: an index into the source.
        boxes: (n, 4) float32, x1, y1, x2, y2 in pixels of the picture that each stands for; zeros where there is none.
        skipped: What could not be read: one line each, which names the file and the reason.
    """
    features: np.ndarray
    items: np.ndarray
    boxes: np.ndarray
    skipped: list[str] = field(default_factory=list)


class Source(ABC):
    """Items (pictures, texts, rows) in chunks of a fixed size and order, so that any process may compute any chunk.

    A chunk's samples depend on the arguments of the source and the number of the chunk alone. Computing a chunk takes
    bounded memory, and no state stays behind.

    Attributes:
        name: 'vision', 'clip', 'text' or 'file'.
        width: d, the width of the features.
        num_items: How many pictures, texts or rows there are.
        num_chunks: How many chunks they make.
    """
    name: str
    width: int
    num_items: int
    num_chunks: int

    @abstractmethod
    def chunk(self, index: int) -> Samples:
        """Samples of chunk `index` in 0..num_chunks - 1."""

    @abstractmethod
    def describe(self, item: int, box: np.ndarray) -> dict[str, Any]:
        """Where a sample comes from, as in `Atoms.nearest` but for `source` and `similarity`."""

    @abstractmethod
    def fingerprint(self) -> dict[str, Any]:
        """Plain values that decide all features: an interrupted build goes on only where they are the same."""
