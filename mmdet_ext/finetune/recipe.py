"""Batch size, learning rate and schedule for a data set of a given size."""
from dataclasses import dataclass
from math import ceil

from .models import Model

LEAST_STEPS = 500  # of the optimizer: with fewer a model from random weights hardly learns
LARGEST_BATCH = 64
PUBLISHED_BATCH = dict(yolov9=64, smca=16, mdetr=64)
PUBLISHED_LR = dict(yolov9=0.01, smca=1e-4, mdetr=1e-4)


@dataclass(frozen=True)
class Recipe:
    """The numbers of a training.

    Attributes:
        batch_size: Images in a batch.
        nominal_batch_size: Images in a step of the optimizer, at least.
        lr: Learning rate.
        epochs: Length.
        val_interval: Epochs between evaluations.
        iterations: Batches in an epoch.
        warmup: Iterations of the warm-up, at least.
        ema_steps: Steps over which the average of the weights settles.
        last_epochs: Epochs at the end: without mosaic (YOLO), with a tenth of the rate (DETR).
    """
    batch_size: int
    nominal_batch_size: int
    lr: float
    epochs: int
    val_interval: int
    iterations: int
    warmup: int
    ema_steps: int
    last_epochs: int


def useful_batch(num_images: int, epochs: int, largest: int = LARGEST_BATCH) -> int:
    """The largest power of two, 2 to `largest`, with which the training has `LEAST_STEPS` steps; else 4 or less."""
    batch = 2
    while 2 * batch <= largest and (2 * batch <= 4 or num_images * epochs / (2 * batch) >= LEAST_STEPS):
        batch *= 2
    return batch


def recipe_for(model: Model, num_images: int, epochs: int, batch_size: int, lr: float | None = None) -> Recipe:
    """The published recipe of a model, with its parts scaled down where the data set is small.

    Args:
        model: The model.
        num_images: Images, or pairs of image and caption, in the training set.
        epochs: Length of the training.
        batch_size: Images in a batch.
        lr: Learning rate; None: the published one, which DETR's recipes scale with the batch size.
    """
    iterations = ceil(num_images / batch_size)
    nominal = batch_size
    if model.system == 'yolov9':
        nominal = max(batch_size, useful_batch(num_images, epochs, PUBLISHED_BATCH['yolov9']))
    steps = ceil(num_images / nominal) * epochs
    if lr is None:
        scale = batch_size / PUBLISHED_BATCH['smca'] if model.system == 'smca' else 1.
        lr = PUBLISHED_LR[model.system] * min(scale, 1.)
    last_epochs = min(15, ceil(0.4 * epochs)) if model.system == 'yolov9' else ceil(0.2 * epochs)
    return Recipe(
        batch_size=batch_size, nominal_batch_size=nominal, lr=lr, epochs=epochs, val_interval=max(1, epochs // 25),
        iterations=iterations, warmup=max(1, min(100, iterations * epochs // 10)),
        ema_steps=max(1, min(2000, steps // 4)), last_epochs=last_epochs)
