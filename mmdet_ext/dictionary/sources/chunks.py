"""How a source divides its items into chunks, and a chunk's samples put together."""
from collections.abc import Sequence

import numpy as np

from .base import Samples


def count_chunks(num_items: int, chunk_size: int) -> int:
    """How many chunks of `chunk_size` items there are, the last one maybe smaller."""
    if chunk_size < 1:
        raise ValueError(f'chunk_size should be at least 1, got {chunk_size}')
    return -(-num_items // chunk_size)


def items_of_chunk(index: int, chunk_size: int, num_items: int) -> range:
    """The items of chunk `index`; IndexError for one that does not exist."""
    if index not in range(count_chunks(num_items, chunk_size)):
        raise IndexError(f'there is no chunk {index}, {num_items} items make '
                         f'{count_chunks(num_items, chunk_size)} of {chunk_size}')
    return range(index * chunk_size, min((index + 1) * chunk_size, num_items))


def join_samples(parts: Sequence[Samples], width: int, skipped: Sequence[str] = ()) -> Samples:
    """One `Samples` of all parts in their order, also of none; `skipped` comes before what they skipped."""
    return Samples(
        features=np.concatenate([np.empty((0, width), np.float32), *(part.features for part in parts)]),
        items=np.concatenate([np.empty(0, np.int64), *(part.items for part in parts)]),
        boxes=np.concatenate([np.empty((0, 4), np.float32), *(part.boxes for part in parts)]),
        skipped=[*skipped, *(line for part in parts for line in part.skipped)])
