"""Which tokens of a caption an object's phrases cover (MDETR, https://arxiv.org/abs/2104.12763, section 2.2.1)."""
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .spans import Spans

Offsets = Sequence[Sequence[int]]
NUM_COLUMNS = 256


def span_tokens(offsets: Offsets, begin: int, end: int) -> range:
    """The tokens of the characters [begin, end).

    As published, a span that begins or ends on a character without a token (a space, mostly) is tried one and two
    characters further inside; if there is none either, it has no tokens. A negative character is a ValueError.
    """
    for char in (begin, end - 1):
        if char < 0:
            raise ValueError(f'a character of a caption should be at 0 or later, got {char}')
    first = _first_token(offsets, (begin, begin + 1, begin + 2))
    last = _first_token(offsets, (end - 1, end - 2, end - 3))
    return range(0) if first is None or last is None else range(first, last + 1)


def positive_map(offsets: Offsets, spans: Sequence[Spans], num_columns: int = NUM_COLUMNS, *,
                 normalised: bool = False) -> Tensor:
    """The tokens of each object.

    Args:
        offsets: Characters [start, end) of each token; (0, 0) for special ones.
        spans: For each of N objects its spans of characters.
        num_columns: Tokens further back fall away.
        normalised: Whether a row sums to (nearly) 1, as in the paper, or holds 1 at each token, as in the published
            code.

    Returns:
        (N, num_columns) float32; a row of zeros for an object without a token.
    """
    rows = np.zeros((len(spans), num_columns), dtype=np.float32)
    for row, phrases in zip(rows, spans):
        for begin, end in phrases:
            tokens = span_tokens(offsets, begin, end)
            row[tokens.start:tokens.stop] = 1
    return torch.from_numpy(rows / (rows.sum(axis=1, keepdims=True) + np.float32(1e-6)) if normalised else rows)


def _first_token(offsets: Offsets, chars: Sequence[int]) -> int | None:
    """The token of the first of the characters that has one."""
    return next((i for char in chars for i, (start, end) in enumerate(offsets) if start <= char < end), None)
