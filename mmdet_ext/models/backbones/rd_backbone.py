"""The Retriever-Dictionary of YOLO-RD (https://arxiv.org/abs/2410.15346) inside any backbone, at a stage."""
import inspect
from math import prod
from typing import Any

import torch
import torch.nn as nn
from mmdet.registry import MODELS
from torch import Tensor

from ...extended_classes import extended
from ..layers import RetrieverDictionary


@MODELS.register_module(name='RD')
def build_with_rd(backbone: str, rd: dict, **kwargs: Any) -> nn.Module:
    """A backbone with a `RetrieverDictionary` after one of its stages: deeper stages and the neck get its output.

    In a config: `backbone=dict(type='RD', backbone=_base_.model.backbone.type, rd=dict(stage=1))`. The result has the
    class name, the interface and the names of weights of that backbone; those of the dictionary begin with `rd.`.

    Args:
        backbone: Its type. One that takes `rd` itself, such as GELAN, gets it.
        rd: Arguments of `RetrieverDictionary`, except the channels, and `stage`: 1 by default, the second of the
            backbone's stages (in most backbones the one of stride 8), or the name of any of its modules whose output
            is a map (B, C, H, W), or tokens (B, H * W, C) of a module that is called with (tokens, (H, W)).
        kwargs: As for that backbone.

    Raises:
        ValueError: If there is no such stage, or its output is something else.
    """
    cls = MODELS.get(backbone) if isinstance(backbone, str) else backbone
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        raise ValueError(f'backbone should be the type of a backbone, such as ResNet, got {backbone!r}')
    if not isinstance(rd, dict):
        raise ValueError(f'rd should be a dict such as dict(stage=1, num_atoms=512), got {rd!r}')
    if 'rd' in inspect.signature(cls).parameters:
        return cls(rd=rd, **kwargs)
    options = dict(rd)
    stage = options.pop('stage', 1)
    model = extended(cls, _Retrieving)(**kwargs)
    module = _stage_module(model, stage)
    model.rd = RetrieverDictionary(
        _output_channels(model, module, stage, torch.zeros(1, kwargs.get('in_channels', 3), 64, 64)), **options)
    module.register_forward_hook(model.retrieve)
    return model


class _Retrieving:
    """What `build_with_rd` adds to a backbone."""

    def retrieve(self, module: nn.Module, arguments: tuple, output: Tensor) -> Tensor:
        if output.ndim == 4:
            return self.rd(output)
        feats = output.transpose(1, 2).unflatten(2, tuple(arguments[1]))
        return self.rd(feats).flatten(2).transpose(1, 2)

    def init_weights(self) -> None:
        """The backbone's initialisation, which does not reach the dictionary; a checkpoint may have it."""
        before = {name: value.clone() for name, value in self.rd.state_dict().items()}
        super().init_weights()
        if not isinstance(self.init_cfg, dict) or self.init_cfg.get('type') != 'Pretrained':
            self.rd.load_state_dict(before)

    def train(self, mode: bool = True) -> nn.Module:
        super().train(mode)
        if rd := getattr(self, 'rd', None):
            rd.train(mode)  # its batch norms learn also in a backbone whose own are frozen by `norm_eval`
        return self


def _stage_module(backbone: nn.Module, stage: int | str) -> nn.Module:
    """The module whose output is that of a stage."""
    if isinstance(stage, str):
        try:
            return backbone.get_submodule(stage)
        except AttributeError as error:
            raise ValueError(f'rd.stage={stage!r} is no module of {type(backbone).__name__}, which has '
                             f'{", ".join(name for name, _ in backbone.named_children())}') from error
    stages = next((getattr(backbone, name) for name in ('res_layers', 'stages', 'layers')
                   if isinstance(getattr(backbone, name, None), (list, nn.ModuleList))), None)
    if stages is None:
        raise ValueError(f'{type(backbone).__name__} has no list of stages: give rd.stage the name of a module, such '
                         f'as {[name for name, _ in backbone.named_children()][-1]!r}, got {stage!r}')
    stages = [getattr(backbone, name) if isinstance(name, str) else name for name in stages if name != 'stem']
    if stage not in range(len(stages)):
        raise ValueError(f'rd.stage should be in 0..{len(stages) - 1} for {type(backbone).__name__}, or the name of '
                         f'one of its modules, got {stage!r}')
    module = stages[stage]
    if isinstance(module, nn.ModuleList):  # PVT: the embedding, blocks, and a norm
        return module[1][-1]
    return module.blocks[-1] if isinstance(getattr(module, 'blocks', None), nn.ModuleList) else module  # Swin


@torch.no_grad()
def _output_channels(backbone: nn.Module, module: nn.Module, stage: int | str, image: Tensor) -> int:
    """Channels of the output of a module when the backbone runs on an image."""
    outputs, modes = [], {part: part.training for part in backbone.modules()}
    hook = module.register_forward_hook(lambda _, arguments, output: outputs.append((arguments, output)))
    try:
        backbone.eval()(image)
    finally:
        hook.remove()
        for part, mode in modes.items():
            part.training = mode
    if len(outputs) != 1:
        raise ValueError(f'rd.stage={stage!r}: this module of {type(backbone).__name__} should run once for an image, '
                         f'it ran {len(outputs)} times')
    (arguments, output), = outputs
    if isinstance(output, Tensor) and output.ndim == 4:
        return output.shape[1]
    shape = arguments[1] if len(arguments) > 1 else None
    if isinstance(output, Tensor) and output.ndim == 3 and isinstance(shape, (tuple, list, torch.Size)) \
            and prod(shape) == output.shape[1]:
        return output.shape[2]
    raise ValueError(f'rd.stage={stage!r}: the output of this module of {type(backbone).__name__} should be a map '
                     f'(B, C, H, W), or tokens of a map whose height and width the module gets, it is '
                     f'{tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__}')
