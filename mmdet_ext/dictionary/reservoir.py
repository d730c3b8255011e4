"""A uniform sample of features in memory of a fixed size."""
import numpy as np


class Reservoir:
    """The `capacity` rows of the smallest keys among all that were offered (a bottom-k sample).

    Since each row brings its own random key, the sample depends neither on the order of the rows nor on who offered
    them, and the sample of a union is the sample of the samples.

    Args:
        capacity: Rows to keep. Their memory is taken, and touched, at once.
        width: d, the width of the features.

    Attributes:
        features: (capacity, d) float32, of which the first `size` rows count; so with the other arrays.
        keys: (capacity, ) float64.
        items: (capacity, ) int64.
        boxes: (capacity, 4) float32.
        size: Rows kept so far.
    """

    def __init__(self, capacity: int, width: int) -> None:
        if capacity < 1:
            raise ValueError(f'capacity of a reservoir should be at least 1, got {capacity}')
        self.features = np.empty((capacity, width), np.float32)
        self.keys = np.empty(capacity, np.float64)
        self.items = np.empty(capacity, np.int64)
        self.boxes = np.empty((capacity, 4), np.float32)
        self.size = 0
        for array in self._arrays():
            array.fill(0)  # np.zeros would leave the memory untouched, and so not really taken

    def offer(self, features: np.ndarray, keys: np.ndarray, items: np.ndarray, boxes: np.ndarray) -> None:
        """Keep those of n rows that belong to the sample, in the place of rows that no longer do."""
        capacity = len(self.keys)
        both = np.concatenate([self.keys[:self.size], keys])
        kept = np.ones(len(both), bool)
        if len(both) > capacity:
            kept[np.argpartition(both, capacity - 1)[capacity:]] = False
        incoming = np.flatnonzero(kept[self.size:])
        free = np.concatenate([np.flatnonzero(~kept[:self.size]), np.arange(self.size, capacity)])[:len(incoming)]
        for ours, theirs in zip(self._arrays(), (features, keys, items, boxes)):
            ours[free] = theirs[incoming]
        self.size = min(len(both), capacity)

    def sort(self) -> None:
        """Bring the rows into the order of their keys, in place but for 1/32 of the features."""
        order = np.lexsort((self.items[:self.size], self.keys[:self.size]))
        for array in (self.keys, self.items, self.boxes):
            array[:self.size] = array[order]
        step = max(1, self.features.shape[1] // 32)
        for start in range(0, self.features.shape[1], step):
            columns = self.features[:, start:start + step]
            columns[:self.size] = columns[order]

    def filled(self) -> dict[str, np.ndarray]:
        """The rows that count, as views by name: `features`, `keys`, `items`, `boxes`."""
        return {name: getattr(self, name)[:self.size] for name in ('features', 'keys', 'items', 'boxes')}

    def _arrays(self) -> tuple[np.ndarray, ...]:
        return self.features, self.keys, self.items, self.boxes
