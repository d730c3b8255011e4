"""Batches in which several captions of an image follow each other."""
from collections import defaultdict
from collections.abc import Iterator
from math import ceil

import torch
from mmdet.registry import DATA_SAMPLERS
from mmengine.dataset import BaseDataset, ConcatDataset
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler


@DATA_SAMPLERS.register_module()
class CaptionGroupSampler(Sampler):
    """Sample groups of pairs of image and caption; the pairs of a group have the same image. An epoch has all pairs
    once.

    MDETR runs its backbone once for samples of the same image that are neighbours in a batch. They are neighbours if
    `batch_size` is a multiple of `group`, and have the same pixels if the pipeline does not change them at random. An
    image whose pairs do not fill its last group repeats some of them.

    Args:
        dataset: Data set of pairs, whose items have an `img_path`.
        group: Pairs in a group, at least 1.
        shuffle: Whether groups, and the pairs in them, are in random order, which differs in each epoch.
        seed: Shared by all processes; mmengine's runner passes its own.

    Raises:
        ValueError: If `group` is not a whole number of at least 1.
    """

    def __init__(self, dataset: BaseDataset | ConcatDataset, group: int, shuffle: bool = True,
                 seed: int | None = None) -> None:
        if type(group) is not int or group < 1:
            raise ValueError(f'group should be a whole number of at least 1, got {group!r}')
        self.dataset, self.group, self.shuffle = dataset, group, shuffle
        self.rank, self.world_size = get_dist_info()
        self.seed = sync_random_seed() if seed is None else seed
        self.epoch = 0
        images = defaultdict(list)
        for i in range(len(dataset)):
            images[dataset.get_data_info(i)['img_path']].append(i)
        self.images = list(images.values())
        self.num_groups = sum(ceil(len(pairs) / group) for pairs in self.images)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        groups = []
        for pairs in self.images:
            order = torch.randperm(len(pairs), generator=generator).tolist() if self.shuffle else range(len(pairs))
            pairs = [pairs[i] for i in order]
            for start in range(0, len(pairs), self.group):
                members = pairs[start:start + self.group]
                extra_pairs = pairs[:start] or members
                groups.append(members + [extra_pairs[i % len(extra_pairs)] for i in range(self.group - len(members))])
        order = torch.randperm(len(groups), generator=generator).tolist() if self.shuffle else range(len(groups))
        rounds = ceil(self.num_groups / self.world_size)
        for number in range(self.rank, self.world_size * rounds, self.world_size):
            yield from groups[order[number % self.num_groups]]

    def __len__(self) -> int:
        return self.group * ceil(self.num_groups / self.world_size)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch
