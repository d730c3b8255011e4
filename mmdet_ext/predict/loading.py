"""Build a model for prediction from a config and a checkpoint."""
import copy
import warnings
from pathlib import Path

import torch
import torch.nn as nn
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.model.utils import revert_sync_batchnorm
from mmengine.registry import init_default_scope

from ..checkpoints.load import load_weights, read_weights
from ..deployment import deploy
from ..launch import load_config
from ..models.detectors import PGIDetector, TextYOLOv9
from ..models.layers.atoms import forget_atoms_files


def read_config(config: str | Path | Config, options: dict | None = None) -> Config:
    if isinstance(config, Config):
        cfg = copy.deepcopy(config)
        cfg.merge_from_dict(options or {})
    else:
        cfg = load_config(str(config), options=options)
    init_default_scope(cfg.get('default_scope') or 'mmdet')
    return cfg


def choose_device(device: str | torch.device | None) -> torch.device:
    """The given device, or by default a GPU if there is one."""
    try:
        chosen = torch.device(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
    except RuntimeError as error:
        raise ValueError(f'device is {device!r}: {str(error).splitlines()[0]}') from error
    if chosen.type == 'cuda' and not torch.cuda.is_available():
        raise ValueError(f'device is {device!r}, and no CUDA device is visible')
    return chosen


def load_model(cfg: Config, checkpoint: str | Path | None, device: torch.device, deployed: bool = True) -> nn.Module:
    """The config's model in evaluation mode, with the attribute `dataset_meta`.

    Args:
        cfg: The config, whose `model` is built.
        checkpoint: A file or URL; None for random weights, with a warning.
        device: Device of the model.
        deployed: Whether a `PGIDetector` is converted to its deployed form.

    Raises:
        OSError: The checkpoint is missing.
        ValueError: The file is no checkpoint, or does not fit the model (see `load_weights`).
    """
    model_cfg = copy.deepcopy(cfg.model)
    if checkpoint is not None:
        weights = read_weights(checkpoint)
        forget_atoms_files(model_cfg)
        if 'pretrained' in model_cfg.get('text_encoder', {}):
            model_cfg.text_encoder.pretrained = False  # its weights come with the rest
    model = revert_sync_batchnorm(MODELS.build(model_cfg)).eval()
    if checkpoint is None:
        warnings.warn('checkpoint is None: the weights are random', stacklevel=3)
        model.dataset_meta = classes_of(cfg)
    else:
        load_weights(model, weights)
        model.dataset_meta = weights.dataset_meta or classes_of(cfg)
    if deployed and isinstance(model, PGIDetector) and not (model.deployed or isinstance(model, TextYOLOv9)):
        model = deploy(model)  # a TextYOLOv9 may still be asked for any texts
    return model.to(device)


def classes_of(cfg: Config) -> dict:
    """Class names (`classes`) and colours (`palette`) of the config's test set."""
    dataset = cfg.get('test_dataloader', {}).get('dataset', {})
    kind = DATASETS.get(dataset['type']) if isinstance(dataset.get('type'), str) else dataset.get('type')
    return dict(getattr(kind, 'METAINFO', {})) | dict(dataset.get('metainfo') or {})
