"""Images of a config's training data as the network sees them at test time."""
import signal
from collections.abc import Sequence

import numpy as np
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import ConcatDataset, pseudo_collate
from torch.utils.data import DataLoader

from .sources.image_set import data_sets, evaluation_pipeline


def training_images(cfg: Config) -> ConcatDataset:
    """The data sets of `train_dataloader`, each image once and through the pipeline of `val_dataloader`.

    What mixes, repeats or balances images (mosaic, `RepeatDataset`, ...) is taken off; annotations are not loaded.

    Raises:
        ValueError: If the config has no such data loaders, or there is no image.
    """
    pipeline = evaluation_pipeline(cfg)
    if not pipeline:
        raise ValueError(f'{cfg.filename} has no val_dataloader with a pipeline, which the training images should take')
    datasets = [DATASETS.build(dict(leaf, pipeline=pipeline, test_mode=True))
                for leaf in data_sets(cfg.get('train_dataloader'))]
    if not any(map(len, datasets)):
        raise ValueError(f'{cfg.filename} has no train_dataloader, or there is no image in its data set')
    return ConcatDataset(datasets)


def random_batches(num_images: int, batch_size: int, num_batches: int, seed: int) -> list[list[int]]:
    """Indices of images: all of them in a random order, then all in another one, cut into batches.

    Batch i depends on seed, sizes and i alone.
    """
    epochs = -(-num_batches * batch_size // num_images)
    orders = [np.random.default_rng((seed, epoch)).permutation(num_images) for epoch in range(epochs)]
    return np.concatenate(orders)[:num_batches * batch_size].reshape(num_batches, batch_size).tolist() if orders else []


def load_batches(dataset: ConcatDataset, batches: Sequence[Sequence[int]], num_workers: int = 0) -> DataLoader:
    """Batches of given indices, for `model.data_preprocessor`."""
    return DataLoader(dataset, batch_sampler=batches, num_workers=num_workers, collate_fn=pseudo_collate,
                      worker_init_fn=_leave_interrupts_to_main)


def _leave_interrupts_to_main(worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
