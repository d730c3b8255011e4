"""Pictures of a config's training data as the network sees them at test time."""
import signal
from collections.abc import Sequence

import numpy as np
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import ConcatDataset, pseudo_collate
from torch.utils.data import DataLoader

from .sources.image_set import data_sets


def training_pictures(cfg: Config) -> ConcatDataset:
    """The data sets of `train_dataloader`, each picture once and through the pipeline of `val_dataloader`.

    What mixes, repeats or balances pictures (mosaic, `RepeatDataset`, ...) is taken off; annotations are not loaded.

    Raises:
        ValueError: If the config has no such data loaders, or there is no picture.
    """
    evaluated = data_sets(cfg.get('val_dataloader') or cfg.get('test_dataloader'))
    if not evaluated or not evaluated[0].get('pipeline'):
        raise ValueError(f'{cfg.filename} has no val_dataloader with a pipeline, which the training pictures '
                         'should take')
    pipeline = [step for step in evaluated[0]['pipeline'] if not _loads_annotations(step)]
    found = [DATASETS.build(dict(leaf, pipeline=pipeline, test_mode=True))
             for leaf in data_sets(cfg.get('train_dataloader'))]
    if not any(map(len, found)):
        raise ValueError(f'{cfg.filename} has no train_dataloader, or there is no picture in its data set')
    return ConcatDataset(found)


def random_batches(num_pictures: int, batch_size: int, num_batches: int, seed: int) -> list[list[int]]:
    """Indices of pictures: all of them in a random order, then all in another one, cut into batches.

    Batch i depends on seed, sizes and i alone.
    """
    order, batches = [], []
    epoch = 0
    while len(batches) < num_batches:
        while len(order) < batch_size:
            order += np.random.default_rng((seed, epoch)).permutation(num_pictures).tolist()
            epoch += 1
        batches.append(order[:batch_size])
        order = order[batch_size:]
    return batches


def load_batches(dataset: ConcatDataset, batches: Sequence[Sequence[int]], num_workers: int = 0) -> DataLoader:
    """Batches of given indices, for `model.data_preprocessor`."""
    return DataLoader(dataset, batch_sampler=batches, num_workers=num_workers, collate_fn=pseudo_collate,
                      worker_init_fn=_leave_interrupts_to_main)


def _loads_annotations(step: dict) -> bool:
    kind = step['type']
    return (kind if isinstance(kind, str) else kind.__name__).endswith('Annotations')


def _leave_interrupts_to_main(worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
