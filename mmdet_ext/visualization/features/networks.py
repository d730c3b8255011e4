"""The networks of a comparison: how a command line names them, and how they are built."""
import copy
import re
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn as nn
from mmdet.registry import MODELS
from mmengine import hub
from mmengine.config import Config
from mmengine.model.utils import revert_sync_batchnorm
from mmengine.utils import is_installed

from mmdet_ext.command_line import wrong_config
from mmdet_ext.files import free_name
from mmdet_ext.launch import load_config
from mmdet_ext.model_arguments import WEIGHTS
from mmdet_ext.predict.loading import load_model

_CONFIG = re.compile(r'(?P<config>.+\.py)(=(?P<name>.*))?')


class Network(NamedTuple):
    """A network to look into.

    Attributes:
        name: What stands beside its maps.
        config: A file, or PACKAGE::PATH for a config of an installed package.
        checkpoint: A file; None for random weights.
    """
    name: str
    config: str
    checkpoint: str | None


def split_networks(arguments: Sequence[str]) -> tuple[list[Network], list[str]]:
    """Take CONFIG[=NAME] [CHECKPOINT], once or more, from the front of positional arguments.

    Returns:
        The networks, by default named as their configs, and the arguments behind them.

    Raises:
        ValueError: The first argument is no config.
    """
    networks, rest = [], list(arguments)
    while rest and (match := _CONFIG.fullmatch(rest[0])):
        config = match['config']
        rest.pop(0)
        checkpoint = rest.pop(0) if rest and rest[0].endswith(tuple(WEIGHTS)) else None
        stem = re.split(r'[/:]', config)[-1].removesuffix('.py')
        name = free_name(match['name'] or stem, [network.name for network in networks])
        networks.append(Network(name, config, checkpoint))
    if not networks:
        raise ValueError(f'the first argument should be a config (CONFIG.py or CONFIG.py=NAME), got {arguments[0]}')
    return networks, rest


def build_network(network: Network, device: torch.device, *, options: dict | None = None, seed: int = 0) -> nn.Module:
    """The detector of a network's config.

    Without a checkpoint the weights are those that the constructors draw; `init_cfg` is not applied: it would load
    pretrained weights, or, in ResNet, make every residual block the identity. The batch norms then use the statistics
    of the image, as in the first step of a training. With a checkpoint all is as in evaluation.

    Args:
        network: The network.
        device: Device of the model.
        options: Values that replace the config's, by dotted key.
        seed: Of the random weights.

    Raises:
        OSError: Config or checkpoint is missing.
        ValueError: The config builds no detector, or the checkpoint does not fit it.
    """
    cfg = _read(network.config, options)
    if not cfg.get('model'):
        raise ValueError(f'{network.config} has no model')
    if network.checkpoint is not None:
        return load_model(cfg, network.checkpoint, device, deployed=False)
    torch.manual_seed(seed)
    with wrong_config(network.config):
        model = revert_sync_batchnorm(MODELS.build(copy.deepcopy(cfg.model))).eval()
    if not hasattr(model, 'backbone'):
        raise ValueError(f'{network.config}: {type(model).__name__} has no backbone')
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train()
    return model.to(device)


def _read(config: str, options: dict | None) -> Config:
    package, _, path = config.rpartition('::')
    if not package:
        return load_config(config, options=options)
    if not is_installed(package):
        raise ValueError(f'{config}: the package {package} is not installed')
    try:
        cfg = hub.get_config(config)
    except (FileNotFoundError, ValueError) as error:  # ValueError: `path` names no folder
        raise ValueError(f'{package} has no config {path}: it should be FOLDER/NAME.py, as in the configs of '
                         f'{package}') from error
    with wrong_config(config):
        cfg.merge_from_dict(options or {})
    return cfg
