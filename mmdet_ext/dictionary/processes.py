"""Several processes that build one dictionary."""
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist


@dataclass(frozen=True)
class Processes:
    """Which of the processes this one is.

    Args:
        rank: From 0.
        world: How many there are.
        barrier: Returns when all have called it.
    """
    rank: int = 0
    world: int = 1
    barrier: Callable[[], object] = lambda: None


ALONE = Processes()


@contextmanager
def join_processes() -> Iterator[Processes]:
    """Meet the other processes that torchrun started, through gloo; alone without torchrun."""
    world = int(os.environ.get('WORLD_SIZE', 1))
    if world == 1:
        yield ALONE
        return
    dist.init_process_group('gloo', timeout=timedelta(days=7))  # the slowest process may need long

    def barrier() -> None:
        try:
            dist.barrier()
        except RuntimeError as error:
            raise OSError('another process of the build has ended') from error

    try:
        yield Processes(dist.get_rank(), world, barrier)
    finally:
        dist.destroy_process_group()


def process_device(device: str | None) -> str:
    """The device of this process: with several processes and 'cuda' (the default where there is one) a GPU for each.

    Raises:
        ValueError: If there is no such device.
    """
    if device is None:
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
    try:
        parsed = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f'--device {device}: {str(error).splitlines()[0]}') from error
    if parsed.type == 'cuda' and not torch.cuda.is_available():
        raise ValueError(f'--device {device}: no CUDA device is visible')
    if parsed.type == 'cuda' and parsed.index is None and 'LOCAL_RANK' in os.environ:
        return f'cuda:{int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count()}'
    return device
