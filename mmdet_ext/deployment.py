"""Make a deployed model of a training checkpoint: without auxiliary branch, with folded batch norms and `RepConv`.

A detector of mmdet that was trained with `type='PGI'` becomes the plain detector, with nothing folded.
"""
import copy
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
import torch.nn as nn
from mmdet.models.detectors import BaseDetector
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from .checkpoints.load import load_weights
from .config_sizes import dicts_in
from .models.dense_heads import YOLOv9Head
from .models.detectors import AuxiliaryHeads, PGIDetector, TextYOLOv9
from .models.layers import fuse
from .models.layers.atoms import forget_atoms_files

BOX_TOLERANCE = 0.01  # pixels
RAW_TOLERANCE = 1e-3  # of raw maps, relative to their greatest magnitude, where a head has no `predictions`


def load_for_deployment(cfg: Config, checkpoint: str | Path) -> AuxiliaryHeads:
    """The config's model with the checkpoint's weights and its `dataset_meta`, in evaluation mode.

    Raises:
        OSError: The checkpoint is missing.
        ValueError: The model is of neither type, 'PGIDetector' or 'PGI', or the checkpoint does not fit it (see
            `load_weights`).
    """
    model_cfg = copy.deepcopy(cfg.model)
    if 'pretrained' in model_cfg.get('text_encoder', {}):
        model_cfg.text_encoder.pretrained = False  # its weights come with the rest
    model = MODELS.build(model_cfg)
    if not isinstance(model, AuxiliaryHeads):
        raise ValueError(f"{cfg.filename}: model.type should be 'PGIDetector' or 'PGI' to be deployed, got "
                         f'{type(model).__name__!r}')
    if getattr(model, 'deployed', False):
        raise ValueError(f'{cfg.filename}: model.deployed is set already')
    model.dataset_meta = load_weights(model, checkpoint, config=cfg.filename).dataset_meta
    return model.eval()


def with_classes(cfg: Config, model: AuxiliaryHeads,
                 classes: Sequence[str] | None) -> tuple[Config, AuxiliaryHeads]:
    """Config and model as they are, or for a `TextYOLOv9` those of a plain YOLOv9 of `classes`, by default the classes
    that it was trained on. It is asked for them itself from then on.

    Raises:
        ValueError: If there are `classes` for another detector, none for a `TextYOLOv9`, or two equal ones, or one has
            a comma.
    """
    if not isinstance(model, TextYOLOv9):
        if classes is not None:
            raise ValueError(f'{cfg.filename}: --classes is for a TextYOLOv9, whose classes are words; the classes of '
                             f'{type(model).__name__} are learned')
        return cfg, model
    classes = classes or model.classes or (getattr(model, 'dataset_meta', None) or {}).get('classes')
    if not classes:
        raise ValueError(f'{cfg.filename}: --classes should say what to look for: the checkpoint names no classes')
    for name in classes:
        if ',' in name or not name.strip() or list(classes).count(name) > 1:
            raise ValueError(f'--classes should be different names between commas, got {name!r} in {classes}')
    plain, cfg = model.with_classes(classes), copy.deepcopy(cfg)
    model.classes, cfg.model = tuple(classes), plain.plain_cfg
    if cfg.get('classes') is not None:
        cfg.classes = tuple(classes)
    for split in ('train', 'val', 'test'):
        for dataset in dicts_in(cfg.get(f'{split}_dataloader')):
            if 'return_classes' in dataset:
                dataset['metainfo'] = dict(classes=tuple(classes))
    return cfg, plain


def deploy(model: AuxiliaryHeads) -> BaseDetector:
    """A copy of `model` without its auxiliary heads, in evaluation mode; a `PGIDetector` is folded, a `TextYOLOv9` for
    its classes."""
    if isinstance(model, TextYOLOv9):
        classes = model.classes or (getattr(model, 'dataset_meta', None) or {}).get('classes')
        model = model.with_classes(classes or ())
    deployed = copy.deepcopy(model)
    deployed.drop_aux_head()
    if not isinstance(model, PGIDetector):
        return deployed.eval()
    deployed.deployed = True
    return fuse(deployed.eval())


def deployed_config(cfg: Config) -> Config:
    """The config that builds what `deploy` makes."""
    cfg = copy.deepcopy(cfg)
    if MODELS.get(cfg.model.type) is PGIDetector:
        cfg.model.update(deployed=True, aux_head=None)
    else:
        cfg.model.type = cfg.model.pop('detector')
        del cfg.model['aux_head']
    cfg.load_from = None
    for name in ('work_dir', 'launcher'):
        cfg.pop(name, None)
    forget_atoms_files(cfg.model)
    return cfg


def count_parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def count_flops(model: PGIDetector, size: int | tuple[int, int] = 640, training: bool = False) -> int:
    """Twice the multiply-adds of all convolutions for one image; of a `TextYOLOv9` for its classes, without their
    encoding, which is done once.

    Args:
        model: In evaluation mode.
        size: (height, width) of the image in pixels, or both in one; multiples of 32.
        training: Whether to count the auxiliary heads as well.
    """
    height, width = (size, size) if isinstance(size, int) else size
    image = torch.zeros(1, 3, height, width, device=next(model.parameters()).device)
    counter = FlopCounterMode(display=False)
    with torch.no_grad():
        texts = (model.embed([model.texts_of(DetDataSample())]), ) if isinstance(model, TextYOLOv9) else ()
        with counter:
            feats = model.backbone(image)
            seen = model.fusion(feats, *texts[0]) if texts and model.fusion is not None else feats
            maps = model.neck(seen) if model.with_neck else seen
            model.bbox_head(maps, *texts)
            for head in model.aux_heads if training else ():
                head.head(head(image, dict(backbone=feats, neck=maps)[head.source]), *texts)
    return counter.get_total_flops()


@torch.no_grad()
def disagreement(model: AuxiliaryHeads, deployed: BaseDetector, size: int = 640) -> tuple[float, float, str]:
    """The largest difference between the outputs of two models on one random image: difference, tolerance, unit.

    For a `YOLOv9Head` the boxes of all points before NMS are compared, in pixels; for other heads the raw maps; for
    detectors that are not folded the maps of the neck.
    """
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, size, size, generator=generator).to(next(model.parameters()).device)
    folded = isinstance(model, PGIDetector)
    outputs = [form(image, mode='tensor') if folded else form.extract_feat(image) for form in (model, deployed)]
    if folded and isinstance(model.bbox_head, YOLOv9Head):
        before, after = (model.bbox_head.predictions(*maps).boxes() for maps in outputs)
        return (before - after).abs().max().item(), BOX_TOLERANCE, 'px'
    pairs = list(zip(_flatten(outputs[0]), _flatten(outputs[1]), strict=True))
    return max(((a - b).abs().max() / a.abs().max()).item() for a, b in pairs), RAW_TOLERANCE, 'of the largest value'


def _flatten(maps: Tensor | Iterable) -> list[Tensor]:
    return [maps] if isinstance(maps, Tensor) else [tensor for part in maps for tensor in _flatten(part)]
