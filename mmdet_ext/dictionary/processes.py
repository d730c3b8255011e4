"""Several processes that build one dictionary, and how they are asked to stop."""
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType

import torch
import torch.distributed as dist


class Interrupted(Exception):
    """The user or the machine asked the build to stop; what was done is saved."""


class StopRequest:
    """Turns SIGINT and SIGTERM into an `Interrupted` at the next `check`, where everything can be saved.

    A second signal acts as usual, at once. A context manager: the handlers are there inside it.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Callable | int | None] = {}

    def __enter__(self) -> 'StopRequest':
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self.request)
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def request(self, number: int, frame: FrameType | None = None) -> None:
        """Ask to stop, as if signal `number` had come."""
        self.signal = number
        self._restore()

    def check(self) -> None:
        """Raise `Interrupted` if a signal has come."""
        if self.signal is not None:
            raise Interrupted(signal.Signals(self.signal).name)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}


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


def join_processes() -> Processes:
    """Meet the other processes that torchrun started, through gloo; alone without torchrun."""
    world = int(os.environ.get('WORLD_SIZE', 1))
    if world == 1:
        return Processes()
    dist.init_process_group('gloo', timeout=timedelta(days=7))  # the slowest process may need long

    def barrier() -> None:
        try:
            dist.barrier()
        except RuntimeError as error:
            raise RuntimeError('another process of the build has ended') from error

    return Processes(dist.get_rank(), world, barrier)


def leave_processes() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def process_device(device: str | None) -> str:
    """The device of this process: with several processes and 'cuda' (the default where there is one) a GPU for each."""
    if device is None:
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
    parsed = torch.device(device)
    if parsed.type == 'cuda' and not torch.cuda.is_available():
        raise ValueError(f'--device {device}: no CUDA device is visible')
    if parsed.type == 'cuda' and parsed.index is None and 'LOCAL_RANK' in os.environ:
        return f'cuda:{int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count()}'
    return device
