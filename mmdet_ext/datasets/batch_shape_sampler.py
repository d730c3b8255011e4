"""Evaluation by several processes in which the images of one padded shape stay together."""
import math
from collections.abc import Iterator

from mmdet.registry import DATA_SAMPLERS
from mmengine.dist import get_dist_info
from torch.utils.data import Sampler

from .yolo_coco import YOLOCocoDataset


@DATA_SAMPLERS.register_module()
class BatchShapeSampler(Sampler):
    """Deal a data set to the processes in its batches of one shape, in order.

    mmengine's `DefaultSampler` deals image by image: the batch of a process then has images of as many shapes as
    there are processes, which are padded further to the greatest. What is left when the batches no longer go round is
    dealt image by image, because results are gathered in that way: at most one batch per process.

    Args:
        dataset: With `batch_shapes.batch_size`, the length of its batches; without, it is 1.
        shuffle: Not allowed; the argument is there because configs name it.
        seed: Not read; mmengine passes it.
    """

    def __init__(self, dataset: YOLOCocoDataset, shuffle: bool = False, seed: int | None = None) -> None:
        if shuffle:
            raise ValueError('BatchShapeSampler keeps the order of the data set, got shuffle=True')
        self.rank, self.world_size = get_dist_info()
        self.length = len(dataset)
        self.batch_size = (getattr(dataset, 'batch_shapes', None) or {}).get('batch_size', 1)

    def __iter__(self) -> Iterator[int]:
        rounds = self.length // (self.batch_size * self.world_size)
        for i in range(rounds):
            start = (i * self.world_size + self.rank) * self.batch_size
            yield from range(start, start + self.batch_size)
        dealt = rounds * self.batch_size * self.world_size
        for start in range(dealt, self.length, self.world_size):
            # processes need as many each; what comes twice is last, and mmengine cuts it off
            yield (start + self.rank) % self.length

    def __len__(self) -> int:
        return math.ceil(self.length / self.world_size)
