"""An SMCA-DETR with its weights, and the names of its classes."""
import copy
import os

import torch.nn as nn
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config

from mmdet_ext.checkpoints.load import load_weights, read_weights

from .smca_capture import find_decoder


def load_smca(cfg: Config, checkpoint: str | os.PathLike) -> nn.Module:
    """The config's detector with the checkpoint's weights, in evaluation mode.

    Raises:
        ValueError: If the detector has no `SMCATransformerDecoder`, or the checkpoint does not fit it.
    """
    model = MODELS.build(copy.deepcopy(cfg.model))
    try:
        find_decoder(model)
    except ValueError as error:
        raise ValueError(f'{cfg.filename}: {error}') from None
    load_weights(model, checkpoint, config=cfg.filename)
    return model.eval()


def class_names(cfg: Config, checkpoint: str | os.PathLike, count: int) -> list[str]:
    """Names of `count` classes: the checkpoint's, else those of the test set, else `class 0` and so on."""
    dataset = cfg.test_dataloader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    kind = DATASETS.get(dataset.type) if isinstance(dataset.type, str) else dataset.type
    sources = (read_weights(checkpoint).dataset_meta, dataset.get('metainfo'),
               getattr(kind, 'METAINFO', None))
    for source in sources:
        names = (source or {}).get('classes')
        if names and len(names) == count:
            return list(names)
    return [f'class {label}' for label in range(count)]
