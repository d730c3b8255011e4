"""What folding and the sparse assignment save in YOLOv9."""
from pathlib import Path

import torch
from mmdet.registry import MODELS, TASK_UTILS
from mmengine.config import Config
from torch import Tensor

from mmdet_ext.models.losses import DensePredictions, task_aligned_losses
from mmdet_ext.models.task_modules import BatchTargets

from .inputs import random_targets, raw_predictions
from .measure import Row, Work, measure
from .textbook import dense_losses


def deployment(config: Path, device: torch.device, repeats: int, size: int = 640) -> list[Row]:
    """Training form against deployed form, forward at batch 1; the deployed one with channels last."""
    from mmdet_ext.deployment import deploy  # only now: `workloads` takes the rest of this module to old checkouts

    model = MODELS.build(Config.fromfile(config).model).to(device).eval()
    deployed = deploy(model).to(memory_format=torch.channels_last)
    image = torch.rand(1, 3, size, size, device=device)
    channels_last = image.to(memory_format=torch.channels_last)

    def training_form() -> None:
        feats = model.backbone(image)
        model.bbox_head(model.neck(feats))
        if model.with_aux:
            model.aux_head.head(model.aux_head.branch(image, feats))

    with torch.inference_mode():
        return measure(f'{config.stem.removesuffix("_coco")}, {size} px, batch 1', {
            'training form': training_form,
            'training form without auxiliary branch': lambda: model(image, mode='tensor'),
            'deployed, channels last': lambda: deployed(channels_last, mode='tensor')}, device, repeats)


def assignment_and_loss(device: torch.device, repeats: int, batch: int = 8, boxes: int = 20, size: int = 640,
                        classes: int = 80) -> list[Row]:
    """Dense textbook form against ours, forward and backward, from the same raw maps."""
    predictions = raw_predictions(batch, size, classes, device)
    targets = random_targets(batch, boxes, size, classes, device)

    return measure(f'assigner and loss, batch {batch}, {len(predictions.points):,} points, {boxes} boxes', {
        'dense textbook form': lambda: _backward(dense_losses(predictions, targets), predictions),
        'ours': sparse_form(predictions, targets)}, device, repeats)


def sparse_form(predictions: DensePredictions, targets: BatchTargets) -> Work:
    """Assigner and loss as we train with them, forward and backward."""
    assigner = TASK_UTILS.build(dict(type='BatchTaskAlignedAssigner'))

    def work() -> None:
        with torch.no_grad():
            boxes = predictions.boxes()
        assignment = assigner(predictions.class_logits, boxes, predictions.points, targets)
        _backward(task_aligned_losses(predictions, assignment, targets), predictions)

    return work


def _backward(losses: dict[str, Tensor], predictions: DensePredictions) -> None:
    sum(losses.values()).backward()
    predictions.class_logits.grad = predictions.box_logits.grad = None
