"""Evaluation by several processes, where each batch has images of one padded shape."""
import math
from collections.abc import Iterator

from mmdet.registry import DATA_SAMPLERS
from mmengine.dist import get_dist_info
from torch.utils.data import Sampler

from .yolo_coco import YOLOCocoDataset


@DATA_SAMPLERS.register_module()
class BatchShapeSampler(Sampler):
    """Distribute a data set to the processes in batches of one padded shape, in order.

    mmengine's `DefaultSampler` distributes single images: the batch of a process then has images of as many shapes as
    there are processes, and all are padded to the largest shape. Here whole batches are distributed. If fewer batches
    than processes remain at the end, their images are distributed one by one, as mmengine needs it to gather the
    results: this is at most one batch per process.

    Args:
        dataset: Data set; its `batch_shapes.batch_size` is the length of a batch, 1 if it has none.
        shuffle: Must be False; the argument exists because mmdet's configs set it.
        seed: Not used; mmengine passes it.
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
