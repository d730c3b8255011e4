"""Parameter groups of a config's optimizer: as mmengine's constructor makes them, and as the config's own does."""
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from unittest import mock

import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from torch import nn

from ..text.tokenizer_training import train_tokenizer

YOLO_OPTIONS = dict(norm_decay_mult=0., bias_decay_mult=0.)  # what mmengine's constructor would be told for the recipe


class GroupCounts(NamedTuple):
    """Of one config."""
    parameters: int  # tensors that are trained
    mmengine: int  # groups that mmengine's DefaultOptimWrapperConstructor makes of them
    ours: int  # groups that the config's own constructor makes


def parameter_groups(path: str | Path, change: Callable[[Config], None] = lambda cfg: None) -> GroupCounts:
    """Build the model of a config, without its weights where it can be done, and count the groups of its optimizer.

    Args:
        path: Config file.
        change: What is done to the config of the model before.
    """
    cfg = Config.fromfile(path)
    model = _build_without_weights(cfg.model, change)
    own = cfg.optim_wrapper.to_dict() | dict(type='OptimWrapper')
    plain = deepcopy(own) | dict(constructor='DefaultOptimWrapperConstructor')
    if own.get('constructor') == 'YOLOOptimWrapperConstructor':
        plain['paramwise_cfg'] = YOLO_OPTIONS
    with mock.patch('mmengine.optim.optimizer.default_constructor.print_log'):  # a line for each parameter
        theirs, ours = (build_optim_wrapper(model, wrapper).optimizer.param_groups for wrapper in (plain, own))
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return GroupCounts(len(trained), len(theirs), len(ours))


def _build_without_weights(model_cfg: Config, change: Callable[[Config], None]) -> nn.Module:
    """On no device; the text encoder is RoBERTa-base without its file, with a tokenizer of one word."""
    cfg = deepcopy(model_cfg)
    with TemporaryDirectory() as folder:
        if 'text_encoder' in cfg:
            train_tokenizer(['word'], 300).save_pretrained(folder)
            cfg.text_encoder.update(name=folder, pretrained=False, config={})
        change(cfg)
        # mmdet's EfficientNet looks at numbers while it is built, and language models are read from files
        on_cpu = cfg.backbone.type == 'EfficientNet' or 'language_model' in cfg
        with torch.device('cpu' if on_cpu else 'meta'):
            return MODELS.build(cfg)
