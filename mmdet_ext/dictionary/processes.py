"""Several processes that build one dictionary."""
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

import torch
import torch.distributed as dist

from mmdet_ext.predict.loading import choose_device


class Processes(NamedTuple):
    """The number of this process, how many there are, and what returns when all have called it."""
    rank: int = 0
    world: int = 1
    barrier: Callable[[], object] = lambda: None


ALONE = Processes()


@contextmanager
def join_processes() -> Iterator[Processes]:
    """Meet the other processes that torchrun started, through gloo; alone without torchrun."""
    if int(os.environ.get('WORLD_SIZE', 1)) == 1:
        yield ALONE
        return
    dist.init_process_group('gloo', timeout=timedelta(days=7))  # the slowest process may need long

    def barrier() -> None:
        try:
            dist.barrier()
        except RuntimeError as error:
            raise OSError('another process of the build has ended') from error

    try:
        yield Processes(dist.get_rank(), dist.get_world_size(), barrier)
    finally:
        dist.destroy_process_group()


def process_device(device: str | None) -> torch.device:
    """The device of this process: of several, each takes another GPU; ValueError if there is no such device."""
    chosen = choose_device(device)
    if chosen.type == 'cuda' and chosen.index is None and 'LOCAL_RANK' in os.environ:
        return torch.device('cuda', int(os.environ['LOCAL_RANK']) % torch.cuda.device_count())
    return chosen
