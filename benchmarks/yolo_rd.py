"""What a dictionary costs at inference, and what folding it saves."""
from functools import partial
from pathlib import Path

import torch
import torch.nn as nn
from mmdet.registry import MODELS
from mmengine.config import Config

from mmdet_ext.deployment import deploy
from mmdet_ext.models.layers import RetrieverDictionary, fuse

from .measure import Row, measure


@torch.inference_mode()
def network(config: Path, device: torch.device, repeats: int, size: int = 640) -> list[Row]:
    """The deployed network without and with its dictionary, forward at batch 1, channels last."""
    image = torch.rand(1, 3, size, size, device=device).to(memory_format=torch.channels_last)
    with_rd, without = Config.fromfile(config).model, Config.fromfile(config).model
    without.backbone.rd = None
    models = {form: deploy(MODELS.build(cfg).to(device).eval()).to(memory_format=torch.channels_last)
              for form, cfg in (('without dictionary', without), ('with dictionary', with_rd))}
    return measure(f'{config.stem.removesuffix("_rd_coco")} deployed, {size} px, batch 1',
                   {form: partial(model, image, mode='tensor') for form, model in models.items()}, device, repeats)


@torch.inference_mode()
def module(device: torch.device, repeats: int, channels: int = 512, atoms: int = 512, side: int = 80) -> list[Row]:
    """The module as trained and folded, channels last."""
    trained, folded = (RetrieverDictionary(channels, atoms).to(device).eval() for _ in range(2))
    folded.load_state_dict(trained.state_dict())
    trained, folded = (model.to(memory_format=torch.channels_last) for model in (trained, fuse(nn.Sequential(folded))))
    feat = torch.randn(1, channels, side, side, device=device).to(memory_format=torch.channels_last)
    return measure(f'RetrieverDictionary, {channels} channels, {atoms} atoms, {side} x {side}',
                   {'as trained': lambda: trained(feat), 'folded': lambda: folded(feat)}, device, repeats)
