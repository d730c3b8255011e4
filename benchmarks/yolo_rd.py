"""What a dictionary costs at inference, and what folding it saves."""
from pathlib import Path

import torch
from mmdet.registry import MODELS
from mmengine.config import Config

from mmdet_ext.deployment import deploy
from mmdet_ext.models.layers import RetrieverDictionary, fuse

from .measure import Row, Work, measure


def _forward(model: torch.nn.Module, *args: object, **kwargs: object) -> Work:
    """A call of the model with channels last, without gradients."""
    model = model.to(memory_format=torch.channels_last)
    return torch.inference_mode()(lambda: model(*args, **kwargs))


def network(config: Path, device: torch.device, repeats: int, size: int = 640) -> list[Row]:
    """The deployed network without and with its dictionary, forward at batch 1, channels last."""
    image = torch.rand(1, 3, size, size, device=device).to(memory_format=torch.channels_last)
    forms = {}
    for form in ('without dictionary', 'with dictionary'):
        cfg = Config.fromfile(config).model
        if form == 'without dictionary':
            cfg.backbone.rd = None
        forms[form] = _forward(deploy(MODELS.build(cfg).to(device).eval()), image, mode='tensor')
    return measure(f'{config.stem.removesuffix("_rd_coco")} deployed, {size} px, batch 1', forms, device, repeats)


def module(device: torch.device, repeats: int, channels: int = 512, atoms: int = 512, side: int = 80) -> list[Row]:
    """The module as trained and folded, channels last."""
    trained, folded = (RetrieverDictionary(channels, atoms).to(device).eval() for _ in range(2))
    folded.load_state_dict(trained.state_dict())
    feat = torch.randn(1, channels, side, side, device=device).to(memory_format=torch.channels_last)
    forms = {'as trained': _forward(trained, feat), 'folded': _forward(fuse(torch.nn.Sequential(folded)), feat)}
    return measure(f'RetrieverDictionary, {channels} channels, {atoms} atoms, {side} x {side}', forms, device, repeats)
