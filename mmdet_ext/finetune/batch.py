"""How many images a batch may have on this machine, and how many data workers serve it."""
from collections.abc import Callable

import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from ..memory import available_memory
from ..processes import machine_cores
from .models import Model

MOST_MEMORY = 0.8  # of the device: later batches may be of larger images, or have more boxes
GIB = 1 << 30


def cpu_batch(model: Model, image_size: int, largest: int, free: float | None = None) -> int:
    """The largest power of two, 1 to `largest` and at most 16, for which half of the free memory is enough.

    Args:
        model: The model, which says how much an image takes.
        image_size: Side in pixels.
        largest: What the data set can use.
        free: GiB of free memory; None: what the system says.
    """
    free = free if free is not None else available_memory() / GIB
    per_image = model.memory * (image_size / 640) ** 2
    batch = 1
    while 2 * batch <= min(largest, 16) and 2 * batch * per_image <= free / 2:
        batch *= 2
    return batch


def num_workers(batch_size: int, cuda: bool) -> int:
    """Data workers: on a GPU one for each core, up to 8; on the CPU half of the cores, up to 4."""
    cores = machine_cores()
    return max(1, min(batch_size, 8, cores)) if cuda else max(1, min(4, cores // 2))


def largest_batch(step: Callable[[int], float], largest: int) -> int:
    """Double the batch while it fits.

    Args:
        step: Trains one step with so many images and returns the share of the memory that was used; it raises
            torch.cuda.OutOfMemoryError where the memory is too small.
        largest: Where to end.

    Raises:
        ValueError: One image does not fit.
    """
    fits, batch = 0, 1
    while batch <= largest:
        try:
            used = step(batch)
        except torch.cuda.OutOfMemoryError:
            break
        fits = batch
        if 2 * used > MOST_MEMORY:  # what twice as many images would take, at most
            break
        batch *= 2
    if not fits:
        raise ValueError('the memory of the GPU is too small for one image: a smaller --image-size or model needs less')
    return fits


def cuda_batch(cfg: Config, largest: int) -> int:
    """`largest_batch` of the config's model, optimizer and training data on the current GPU."""
    try:
        return _tried_batch(cfg, largest)
    finally:
        torch.cuda.empty_cache()


def _tried_batch(cfg: Config, largest: int) -> int:
    init_default_scope(cfg.get('default_scope') or 'mmdet')
    model = MODELS.build(cfg.model).cuda().train()
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    total = torch.cuda.get_device_properties(0).total_memory

    def step(batch_size: int) -> float:
        loader = dict(cfg.train_dataloader, batch_size=batch_size, num_workers=0, persistent_workers=False)
        torch.cuda.reset_peak_memory_stats()
        model.train_step(next(iter(Runner.build_dataloader(loader, seed=0))), optimizer)
        torch.cuda.synchronize()
        return torch.cuda.max_memory_reserved() / total

    return largest_batch(step, largest)
