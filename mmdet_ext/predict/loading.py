"""From a config and a checkpoint to a model that predicts."""
import copy
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn as nn
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.model.utils import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.runner import CheckpointLoader
from torch import Tensor

from ..compat import allow_mmengine_checkpoints
from ..deployment import deploy
from ..models.layers.atoms import forget_atoms_files
from ..launch import check_checkpoint, load_config
from ..models.detectors import PGIDetector

# What a checkpoint may lack: a counter, and parts that exist for training only.
_OPTIONAL = ('num_batches_tracked', 'aux_head.', '.pooler.', '.align_')


def read_config(config: str | Path | Config, options: dict | None = None) -> Config:
    """A copy of the config with `options` (by dotted key) merged into it; its scope becomes the default scope."""
    if isinstance(config, Config):
        cfg = copy.deepcopy(config)
        cfg.merge_from_dict(options or {})
    else:
        cfg = load_config(str(config), options=options)
    init_default_scope(cfg.get('default_scope') or 'mmdet')
    return cfg


def choose_device(device: str | torch.device | None) -> torch.device:
    """The given device, or by default a GPU if there is one."""
    chosen = torch.device(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
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
        ValueError: The file is no checkpoint, or lacks tensors that prediction needs, or has them in another shape.
    """
    model_cfg = copy.deepcopy(cfg.model)
    content = {}
    if checkpoint is None:
        warnings.warn('checkpoint is None: the weights are random')
    else:
        allow_mmengine_checkpoints()
        check_checkpoint(str(checkpoint))
        content = CheckpointLoader.load_checkpoint(str(checkpoint), map_location='cpu', logger='silent')
        if not isinstance(content.get('state_dict', content) if isinstance(content, dict) else None, dict):
            raise ValueError(f'{checkpoint} is no checkpoint of a model, but holds a {type(content).__name__}')
        forget_atoms_files(model_cfg)
        if 'pretrained' in model_cfg.get('text_encoder', {}):
            model_cfg.text_encoder.pretrained = False  # its weights come with the rest
    model = revert_sync_batchnorm(MODELS.build(model_cfg)).eval()
    if content:
        load_weights(model, content.get('state_dict', content), str(checkpoint))
    if deployed and isinstance(model, PGIDetector) and not model.deployed:
        model = deploy(model)
    model.dataset_meta = dataset_meta(cfg, content)
    return model.to(device)


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], path: str) -> None:
    """Load `weights` into `model`; tensors that the model does not have are ignored.

    Raises:
        ValueError: A tensor that prediction needs is missing or has another shape.
    """
    ours = model.state_dict()
    problems = [f'{name} is missing' for name in ours
                if name not in weights and not any(part in name for part in _OPTIONAL)]
    problems += [f'{name} is {tuple(weights[name].shape)}, should be {tuple(value.shape)}'
                 for name, value in ours.items() if name in weights and weights[name].shape != value.shape]
    if problems:
        raise ValueError(f'{path} does not fit the config: {len(problems)} of {len(ours)} tensors differ, '
                         f'{"; ".join(problems[:3])}')
    model.load_state_dict(weights, strict=False)


def dataset_meta(cfg: Config, content: Mapping) -> dict:
    """Class names (`classes`) and colours (`palette`) of the checkpoint, or else of the config's data set."""
    meta = content.get('meta', {})
    if 'dataset_meta' in meta:
        return {key.lower(): value for key, value in meta['dataset_meta'].items()}
    dataset = cfg.get('test_dataloader', {}).get('dataset', {})
    kind = DATASETS.get(dataset['type']) if isinstance(dataset.get('type'), str) else dataset.get('type')
    return dict(getattr(kind, 'METAINFO', {})) | dict(dataset.get('metainfo') or {})
