"""Epochs of our samplers, as the runner's data loaders deal them to this process."""
from mmengine.dataset import BaseDataset
from mmengine.runner import Runner

import mmdet_ext.datasets  # noqa: F401  registers the samplers

NUM_PAIRS = 24
# sampler and number of epochs that see everything once
SAMPLERS = {
    'SeededSampler': (dict(shuffle=True), 1),
    'ChunkSampler': (dict(num_chunks=3), 3),
    'CaptionGroupSampler': (dict(group=2), 1),
    'BatchShapeSampler': (dict(shuffle=False), 1),
}


class Pairs(BaseDataset):
    """Images with two captions each, and batches of one shape."""
    batch_shapes = dict(batch_size=3)

    def load_data_list(self) -> list[dict]:
        return [dict(img_path=f'{pair // 2}.jpg') for pair in range(NUM_PAIRS)]


def epochs() -> dict[str, list[int]]:
    """What each sampler gives this process, without a seed: the processes have to agree on one."""
    orders = {}
    for name, (options, count) in SAMPLERS.items():
        loader = Runner.build_dataloader(
            dict(dataset=Pairs(), batch_size=2, num_workers=0, sampler=dict(type=name, **options)))
        orders[name] = []
        for epoch in range(count):
            if hasattr(loader.sampler, 'set_epoch'):
                loader.sampler.set_epoch(epoch)
            orders[name] += [int(i) for batch in loader.batch_sampler for i in batch]
    return orders
