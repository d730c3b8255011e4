"""Augmentation that depends on seed, epoch and place in the epoch alone.

mmengine seeds a worker once, when it starts. Where a run is resumed, or has another number of workers, the same picture
is then augmented in another way than in a run that went through. Here each index carries the seed of its own sample.
"""
import random
from collections.abc import Iterator, Sized
from typing import Any

import numpy as np
import torch
from mmdet.datasets import MultiImageMixDataset
from mmdet.registry import DATA_SAMPLERS, DATASETS
from mmengine.dataset import DefaultSampler


class SeededIndex(int):
    """An index into a data set, and the seed that belongs to this use of it."""
    seed: int

    def __new__(cls, index: int, seed: int) -> 'SeededIndex':
        self = super().__new__(cls, index)
        self.seed = seed
        return self

    def __reduce__(self) -> tuple:  # the way to a worker
        return SeededIndex, (int(self), self.seed)


@DATA_SAMPLERS.register_module()
class SeededSampler(DefaultSampler):
    """mmengine's `DefaultSampler` whose indices are `SeededIndex`.

    Args:
        dataset: What to sample from.
        shuffle: Whether in random order, which depends on seed and epoch.
        seed: Shared by all processes; mmengine's runner passes its own.
        round_up: Whether to repeat samples until all processes have as many.
    """

    def __init__(self, dataset: Sized, shuffle: bool = True, seed: int | None = None, round_up: bool = True) -> None:
        super().__init__(dataset, shuffle, seed, round_up)

    def __iter__(self) -> Iterator[SeededIndex]:
        for step, index in enumerate(super().__iter__()):
            place = step * self.world_size + self.rank
            state = np.random.SeedSequence((self.seed, self.epoch, place)).generate_state(1)
            yield SeededIndex(index, int(state[0]))


@DATASETS.register_module()
class SeededMixDataset(MultiImageMixDataset):
    """mmdet's `MultiImageMixDataset` that seeds Python's, NumPy's and torch's generators from a `SeededIndex`.

    With plain indices it is mmdet's.
    """

    def __getitem__(self, idx: int) -> Any:
        if isinstance(idx, SeededIndex):
            random.seed(idx.seed)
            np.random.seed(idx.seed)
            torch.manual_seed(idx.seed)
        return super().__getitem__(idx)
