"""From a training checkpoint to what is deployed: no auxiliary branch, batch norms and `RepConv` folded."""
import copy
from collections.abc import Iterable
from pathlib import Path

import torch
import torch.nn as nn
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.runner import CheckpointLoader
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from .models.layers.atoms import forget_atoms_files
from .models.dense_heads import YOLOv9Head
from .models.detectors import PGIDetector
from .models.layers import fuse

BOX_TOLERANCE = 0.01  # pixels
RAW_TOLERANCE = 1e-3  # of raw maps, relative to their greatest magnitude, where a head has no `predictions`


def load_for_deployment(cfg: Config, checkpoint: str | Path) -> PGIDetector:
    """The config's model with the checkpoint's weights, in evaluation mode.

    Raises:
        ValueError: The model is no `PGIDetector`, or tensors of the main network are missing in the file, have another
            shape there, or are not known to the model. An auxiliary branch may be absent from the file.
    """
    model = MODELS.build(copy.deepcopy(cfg.model))
    if not isinstance(model, PGIDetector):
        raise ValueError(f"{cfg.filename}: model.type should be 'PGIDetector' to be deployed, got {type(model).__name__!r}")
    if model.deployed:
        raise ValueError(f'{cfg.filename}: model.deployed is set already')
    found = load_checkpoint_file(checkpoint)
    ours = model.state_dict()
    problems = [f'{key}: missing' for key in ours if key not in found and not key.startswith('aux_head.')]
    problems += [f'{key}: unknown' for key in found if key not in ours and not key.startswith('aux_head.')]
    problems += [f'{key}: {tuple(found[key].shape)} in the file, {tuple(value.shape)} in the model'
                 for key, value in ours.items() if key in found and found[key].shape != value.shape]
    if problems:
        shown = '\n  '.join(problems[:10])
        raise ValueError(f'{checkpoint} does not fit {cfg.filename}, {len(problems)} tensors differ:\n  {shown}')
    model.load_state_dict(found, strict=False)
    return model.eval()


def load_checkpoint_file(path: str | Path) -> dict[str, Tensor]:
    """The weights in a file that mmengine, this package's converter or its deployment wrote."""
    content = CheckpointLoader.load_checkpoint(str(path), map_location='cpu', logger='silent')
    return dict(content.get('state_dict', content))


def load_checkpoint_meta(path: str | Path) -> dict:
    """What a file says of its data set: `dataset_meta` with the names of the classes, if it is there."""
    content = CheckpointLoader.load_checkpoint(str(path), map_location='cpu', logger='silent')
    meta = content.get('meta', {})
    return dict(dataset_meta=meta['dataset_meta']) if 'dataset_meta' in meta else {}


def deploy(model: PGIDetector) -> PGIDetector:
    """A folded copy of `model` without its auxiliary head, in evaluation mode."""
    deployed = copy.deepcopy(model)
    if deployed.with_aux:
        del deployed.aux_head
    deployed.with_aux = False
    deployed.deployed = True
    return fuse(deployed.eval())


def deployed_config(cfg: Config) -> Config:
    """The config that builds what `deploy` makes."""
    cfg = copy.deepcopy(cfg)
    cfg.model.deployed = True
    cfg.model.aux_head = None
    cfg.load_from = None
    forget_atoms_files(cfg.model)
    return cfg


def count_parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def count_flops(model: PGIDetector, size: int = 640, training: bool = False) -> int:
    """Twice the multiply-adds of all convolutions for one picture of `size` x `size` pixels.

    Args:
        model: In evaluation mode.
        size: Multiple of 32.
        training: Whether to count the auxiliary branch as well.
    """
    image = torch.zeros(1, 3, size, size, device=next(model.parameters()).device)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        feats = model.backbone(image)
        model.bbox_head(model.neck(feats) if model.with_neck else feats)
        if training and model.with_aux:
            model.aux_head.head(model.aux_head.branch(image, feats))
    return counter.get_total_flops()


@torch.no_grad()
def disagreement(model: PGIDetector, deployed: PGIDetector, size: int = 640) -> tuple[float, float, str]:
    """How far the outputs of two forms are apart on one random picture: difference, tolerance, unit.

    For `YOLOv9Head` boxes in pixels of all points before suppression; for other heads raw maps.
    """
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, size, size, generator=generator).to(next(model.parameters()).device)
    outputs = [form(image, mode='tensor') for form in (model, deployed)]
    if isinstance(model.bbox_head, YOLOv9Head):
        before, after = (model.bbox_head.predictions(*maps).boxes() for maps in outputs)
        return (before - after).abs().max().item(), BOX_TOLERANCE, 'px'
    pairs = list(zip(_flatten(outputs[0]), _flatten(outputs[1]), strict=True))
    return max(((a - b).abs().max() / a.abs().max()).item() for a, b in pairs), RAW_TOLERANCE, 'of the largest value'


def _flatten(maps: Tensor | Iterable) -> list[Tensor]:
    return [maps] if isinstance(maps, Tensor) else [tensor for part in maps for tensor in _flatten(part)]
