"""What folding and the sparse assignment save in YOLOv9."""
from collections.abc import Iterator
from pathlib import Path

import torch
from mmdet.registry import MODELS, TASK_UTILS
from mmengine.config import Config
from torch import Tensor

from ..deployment import deploy
from ..models.losses import DensePredictions, task_aligned_losses
from ..models.task_modules import BatchTargets
from .measure import Row, measure
from .textbook import dense_losses


def deployment(config: Path, device: torch.device, repeats: int, size: int = 640) -> Iterator[Row]:
    """Training form against deployed form, forward at batch 1; the deployed one with channels last."""
    model = MODELS.build(Config.fromfile(config).model).to(device).eval()
    deployed = deploy(model).to(memory_format=torch.channels_last)
    image = torch.rand(1, 3, size, size, device=device)
    channels_last = image.to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def training_form() -> None:
        feats = model.backbone(image)
        model.bbox_head(model.neck(feats))
        if model.with_aux:
            model.aux_head.head(model.aux_head.branch(image, feats))

    @torch.inference_mode()
    def main_branch() -> None:
        model(image, mode='tensor')

    @torch.inference_mode()
    def deployed_form() -> None:
        deployed(channels_last, mode='tensor')

    name = f'{config.stem.removesuffix("_coco")}, {size} px, batch 1'
    forms = {'training form': training_form, 'training form without auxiliary branch': main_branch,
             'deployed, channels last': deployed_form}
    for form, found in zip(forms, measure(list(forms.values()), device, repeats, name), strict=True):
        yield f'{name}: {form}', found


def assignment_and_loss(device: torch.device, repeats: int, batch: int = 8, boxes: int = 20, size: int = 640,
                        classes: int = 80) -> Iterator[Row]:
    """Dense textbook form against ours, forward and backward, from the same raw maps."""
    class_logits, box_logits, points, strides = raw_predictions(batch, size, classes, device)
    targets = random_targets(batch, boxes, size, classes, device)
    assigner = TASK_UTILS.build(dict(type='BatchTaskAlignedAssigner'))

    def textbook() -> None:
        predictions = DensePredictions(class_logits, box_logits, points, strides)
        sum(dense_losses(predictions, targets).values()).backward()
        class_logits.grad = box_logits.grad = None

    def ours() -> None:
        predictions = DensePredictions(class_logits, box_logits, points, strides)
        with torch.no_grad():
            decoded = predictions.boxes()
        assignment = assigner(class_logits, decoded, points, targets)
        sum(task_aligned_losses(predictions, assignment, targets).values()).backward()
        class_logits.grad = box_logits.grad = None

    name = f'assigner and loss, batch {batch}, {len(points):,} points, {boxes} boxes'
    forms = {'dense textbook form': textbook, 'ours': ours}
    for form, found in zip(forms, measure(list(forms.values()), device, repeats, name), strict=True):
        yield f'{name}: {form}', found


def raw_predictions(batch: int, size: int, classes: int, device: torch.device) -> DensePredictions:
    """Random logits for a square picture; classes are rare, as in a network in training."""
    generator = torch.Generator().manual_seed(0)
    cells = [size // stride for stride in (8, 16, 32)]
    points = [torch.cartesian_prod(*[torch.arange(n) + 0.5] * 2).flip(1) * (size / n) for n in cells]
    strides = torch.cat([torch.full((n * n, ), size / n) for n in cells])
    shape = (batch, classes, len(strides))
    class_logits = torch.randn(shape, generator=generator) * 1.5 - 5
    box_logits = torch.randn(batch, 4, 16, len(strides), generator=generator) * 3
    leaves = [x.to(device).requires_grad_() for x in (class_logits, box_logits)]
    return DensePredictions(*leaves, torch.cat(points).to(device), strides.to(device))


def random_targets(batch: int, boxes: int, size: int, classes: int, device: torch.device) -> BatchTargets:
    """Boxes with sides between 3 % and 40 % of the picture's."""
    generator = torch.Generator().manual_seed(1)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    sides = (0.03 + 0.37 * uniform(batch, boxes, 2).square()) * size
    corners = uniform(batch, boxes, 2) * (size - sides)
    labels = torch.randint(0, classes, (batch, boxes), generator=generator)
    valid = torch.ones(batch, boxes, dtype=torch.bool)
    return BatchTargets(torch.cat([corners, corners + sides], dim=-1).to(device), labels.to(device), valid.to(device))
