"""Random numbers that are the same in a resumed run and in a run that was not stopped."""
import random
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from mmdet.registry import HOOKS
from mmengine.dist import get_rank
from mmengine.hooks import DistSamplerSeedHook
from mmengine.runner import Runner


@HOOKS.register_module()
class EpochSeedHook(DistSamplerSeedHook):
    """Seed each epoch of training from the run's seed, the number of the epoch and the rank of the process.

    mmengine seeds a process and its data workers once, when they start. So after a resume, dropout and augmentation
    differ from those of a run that was not stopped. This hook replaces `DistSamplerSeedHook`. It also tells the sampler
    the epoch. At the start of each epoch it seeds Python's, NumPy's and torch's generators, and starts new data
    workers, each with a seed of its own. If the sampler seeds each sample (`SeededSampler`), the workers are kept. With
    the same number of workers, a run that resumes after an epoch gives exactly the same weights.

    If the config has no seed, mmengine draws one and saves it in the checkpoint. In a resumed run mmengine's sampler
    would use a new seed; this hook gives it the saved one.
    """

    def before_train(self, runner: Runner) -> None:
        sampler = runner.train_dataloader.sampler
        if getattr(sampler, 'seed', None) is not None and not runner._randomness_cfg.get('diff_rank_seed'):
            sampler.seed = runner.seed

    def before_train_epoch(self, runner: Runner) -> None:
        super().before_train_epoch(runner)
        loader = runner.train_dataloader
        entropy = np.random.SeedSequence((runner.seed, runner.epoch, get_rank()))
        own_seed, *worker_seeds = entropy.generate_state(1 + loader.num_workers).tolist()
        seed_all(own_seed)
        if loader.num_workers and not getattr(loader.sampler, 'seeds_samples', False):
            init = loader.worker_init_fn
            first = init.keywords['first'] if isinstance(init, partial) and init.func is _start_worker else init
            loader.worker_init_fn = partial(_start_worker, first=first, seeds=worker_seeds)
            loader._iterator = None  # persistent workers would keep their generators


def seed_all(seed: int) -> None:
    """Seed Python's, NumPy's and torch's generators.

    Args:
        seed: 0 to 2^32 - 1.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def _start_worker(worker_id: int, *, first: Callable[[int], None] | None, seeds: Sequence[int]) -> None:
    if first is not None:
        first(worker_id)
    seed_all(seeds[worker_id])
