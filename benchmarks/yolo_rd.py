"""What a dictionary costs at inference, and what folding it saves."""
from collections.abc import Iterator
from pathlib import Path

import torch
from mmdet.registry import MODELS
from mmengine.config import Config

from ..deployment import deploy
from ..models.layers import RetrieverDictionary, fuse
from .measure import Row, measure


def network(config: Path, device: torch.device, repeats: int, size: int = 640) -> Iterator[Row]:
    """The deployed network without and with its dictionary, forward at batch 1, channels last."""
    image = torch.rand(1, 3, size, size, device=device).to(memory_format=torch.channels_last)
    works = []
    for rd in (None, Config.fromfile(config).model.backbone.rd):
        cfg = Config.fromfile(config)
        cfg.model.backbone.rd = rd
        model = deploy(MODELS.build(cfg.model).to(device).eval()).to(memory_format=torch.channels_last)
        works.append(torch.inference_mode()(lambda model=model: model(image, mode='tensor')))
    name = f'{config.stem.removesuffix("_rd_coco")} deployed, {size} px, batch 1'
    yield from zip([f'{name}: without dictionary', f'{name}: with dictionary'], measure(works, device, repeats, name))


def module(device: torch.device, repeats: int, channels: int = 512, atoms: int = 512, side: int = 80) -> Iterator[Row]:
    """The module as trained and folded, channels last."""
    plain = RetrieverDictionary(channels, atoms).to(device).eval()
    folded = RetrieverDictionary(channels, atoms).to(device).eval()
    folded.load_state_dict(plain.state_dict())
    folded = fuse(torch.nn.Sequential(folded))
    feat = torch.randn(1, channels, side, side, device=device).to(memory_format=torch.channels_last)
    works = [torch.inference_mode()(lambda form=form: form(feat))
             for form in (plain.to(memory_format=torch.channels_last), folded.to(memory_format=torch.channels_last))]
    name = f'RetrieverDictionary, {channels} channels, {atoms} atoms, {side} x {side}'
    yield from zip([f'{name}: as trained', f'{name}: folded'], measure(works, device, repeats, name))
