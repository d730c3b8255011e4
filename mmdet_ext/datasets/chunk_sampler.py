"""Epochs that have one part of a large data set each."""
from collections.abc import Iterator, Sized

import torch
from mmdet.registry import DATA_SAMPLERS
from mmengine.dataset import DefaultSampler


@DATA_SAMPLERS.register_module()
class ChunkSampler(DefaultSampler):
    """mmengine's `DefaultSampler`, where an epoch has one of `num_chunks` parts of the data set.

    So `num_chunks` epochs have each sample once. A part that is one sample shorter than the others repeats its first
    sample; with `round_up` a part whose length is no multiple of the number of processes repeats its first samples.
    MDETR trains on GQA in 125 epochs of 1/25 (https://arxiv.org/abs/2104.12763), so that it is evaluated and saved more
    often.

    Args:
        dataset: Data set.
        num_chunks: Number of parts, at most the number of samples.
        shuffle: Whether the order is random; it changes after each pass through the whole data set.
        seed: Shared by all processes; mmengine's runner passes its own.
        round_up: Whether to repeat samples until all processes have the same number.
    """

    def __init__(self, dataset: Sized, num_chunks: int, shuffle: bool = True, seed: int | None = None,
                 round_up: bool = True) -> None:
        if not 1 <= num_chunks <= len(dataset):
            raise ValueError(f'num_chunks must be between 1 and the number of samples, {len(dataset)}, got '
                             f'{num_chunks}')
        super().__init__(dataset, shuffle, seed, round_up)
        self.num_chunks = num_chunks
        self.chunk_size = -(-len(dataset) // num_chunks)
        self.num_samples = -(-(self.chunk_size - (0 if round_up else self.rank)) // self.world_size)
        self.total_size = self.num_samples * self.world_size if round_up else self.chunk_size

    def __iter__(self) -> Iterator[int]:
        full_pass, chunk = divmod(self.epoch, self.num_chunks)
        order = torch.arange(len(self.dataset))
        if self.shuffle:
            order = torch.randperm(len(self.dataset), generator=torch.Generator().manual_seed(self.seed + full_pass))
        # every num_chunks-th sample: parts differ by one sample at most, which is filled up
        indices = order[chunk::self.num_chunks]
        indices = indices[torch.arange(self.total_size) % len(indices)]
        return iter(indices[self.rank::self.world_size].tolist())
