"""Augmentation that depends only on the seed, the epoch, and the position of the sample in the epoch.

mmengine seeds a data worker once, when it starts. So the same image is augmented in another way if a run is resumed, or
has another number of workers. Here each index has a seed for its sample.
"""
import copy
import random
from collections.abc import Iterator, Sequence, Sized
from typing import Any

import numpy as np
import torch
from mmdet.datasets import MultiImageMixDataset
from mmdet.datasets.transforms import PackDetInputs, RandomFlip
from mmdet.registry import DATA_SAMPLERS, DATASETS
from mmengine.dataset import BaseDataset, ConcatDataset, DefaultSampler

from .transforms import PackTextInputs, YOLOHSV, YOLOAffine, YOLOCopyPaste, YOLOFilters, YOLOMixUp, YOLOMosaic

# Steps that always give a sample, so that none of them is asked a second time with the same one.
_NEVER_NONE = (YOLOMosaic, YOLOCopyPaste, YOLOAffine, YOLOMixUp, YOLOFilters, YOLOHSV, RandomFlip, PackDetInputs,
               PackTextInputs)


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
    """mmengine's `DefaultSampler`, but its indices are `SeededIndex`.

    Args:
        dataset: Data set.
        shuffle: Whether the order is random; it depends on seed and epoch.
        seed: Shared by all processes; mmengine's runner passes its own.
        round_up: Whether to repeat samples until all processes have the same number.
    """

    seeds_samples = True  # for EpochSeedHook

    def __init__(self, dataset: Sized, shuffle: bool = True, seed: int | None = None, round_up: bool = True) -> None:
        super().__init__(dataset, shuffle, seed, round_up)

    def __iter__(self) -> Iterator[SeededIndex]:
        for step, index in enumerate(super().__iter__()):
            position = step * self.world_size + self.rank
            state = np.random.SeedSequence((self.seed, self.epoch, position)).generate_state(1)
            yield SeededIndex(index, int(state[0]))


@DATASETS.register_module()
class SeededMixDataset(MultiImageMixDataset):
    """mmdet's `MultiImageMixDataset` that seeds Python's, NumPy's and torch's CPU generator from a `SeededIndex`.

    With plain indices it does the same as mmdet's class. Images are copied only if a step may return None, because it
    is then called again.
    """

    def __getitem__(self, idx: int) -> Any:
        if isinstance(idx, SeededIndex):
            random.seed(idx.seed)
            np.random.seed(idx.seed)
            torch.default_generator.manual_seed(idx.seed)  # torch.manual_seed formats a traceback for each device
        results = self._load(idx)
        for transform, kind in zip(self.pipeline, self.pipeline_types):
            if kind in (self._skip_type_keys or ()):
                continue
            if hasattr(transform, 'get_indexes'):
                results['mix_results'] = self._other_samples(transform)
            results = self._apply(transform, results)
            if 'mix_results' in results:
                results.pop('mix_results')
        return results

    def _load(self, idx: int) -> dict:
        """A sample that may be changed: mmengine's data sets make a new one each time, samples of others are copied."""
        sample = self.dataset[idx]
        return sample if isinstance(self.dataset, BaseDataset) else copy.deepcopy(sample)

    def _other_samples(self, transform: Any) -> list[dict]:
        for _ in range(self.max_refetch):
            indexes = transform.get_indexes(self.dataset)
            samples = [self._load(index) for index in (indexes if isinstance(indexes, Sequence) else [indexes])]
            if None not in samples:
                return samples
        raise RuntimeError(f'the loading pipeline gave None in all of {self.max_refetch} draws for '
                           f'{type(transform).__name__}')

    def _apply(self, transform: Any, results: dict) -> Any:
        if type(transform) in _NEVER_NONE:
            return transform(results)
        for _ in range(self.max_refetch):
            if (changed := transform(copy.deepcopy(results))) is not None:
                return changed
        raise RuntimeError(f'{type(transform).__name__} gave None in all of {self.max_refetch} attempts')


@DATASETS.register_module()
class SeededConcatDataset(ConcatDataset):
    """mmengine's `ConcatDataset` that hands the seed of a `SeededIndex` on to its data sets, of which each may be a
    `SeededMixDataset` with its own pipeline."""

    def update_skip_type_keys(self, skip_type_keys: Sequence[str]) -> None:
        """For those of the data sets that mix images, see `CloseMosaicHook`."""
        for dataset in self.datasets:
            if hasattr(dataset, 'update_skip_type_keys'):
                dataset.update_skip_type_keys(skip_type_keys)

    def _get_ori_dataset_idx(self, idx: int) -> tuple[int, int]:
        dataset, sample = super()._get_ori_dataset_idx(idx)
        return dataset, SeededIndex(sample, idx.seed) if isinstance(idx, SeededIndex) else sample
