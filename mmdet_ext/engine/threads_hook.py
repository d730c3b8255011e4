"""The number of CPU threads, chosen by timing the first iterations."""
import os
import time
from statistics import median
from typing import Any, NamedTuple
from collections.abc import Sequence

import torch
from mmdet.registry import HOOKS
from mmengine.device import get_device
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..processes import local_processes, machine_cores

SLOW = 3  # times the usual time of an iteration


class Iteration(NamedTuple):
    """Seconds of an iteration: waiting for its batch, and everything else."""
    wait: float
    compute: float

    def __str__(self) -> str:
        return f'{sum(self):.3f} s an iteration, {self.wait:.3f} s of it waiting for data'


@HOOKS.register_module()
class ThreadsHook(Hook):
    """Choose the number of CPU threads in the first iterations: all cores, unless fewer threads are faster.

    A network that is alone on its cores runs faster with more threads. But a parallel loop of OpenMP waits for its last
    thread: if a busy data worker or another program occupies one of the cores, the other threads spin for a time slice
    of the scheduler, thousands of times per iteration, which then takes five to twenty times as long. `OMP_WAIT_POLICY`
    and `GOMP_SPINCOUNT` reduce this but do not cure it; using only as many threads as there are free cores does. The
    time of the iterations shows which case it is.

    Training (or testing) therefore begins with one thread for each core that the data workers leave, doubles the number
    up to one thread per core of this process, and stops when iterations become slower. Each number is tried for one
    warm-up iteration, in which buffers and kernels are made anew, and for `iters` timed ones, or fewer if these have
    already taken longer than those of the number before. One line of the log reports the measurements. If later `iters`
    iterations in a row compute three times slower than usual, another program needs the cores, and the hook goes back
    to the first number.

    If OMP_NUM_THREADS is set, and on other devices than a CPU, the hook changes nothing. Rounding depends on the number
    of threads. A checkpoint therefore stores it, and a resumed run on as many cores keeps it. For runs that repeat
    exactly, set that variable, or `randomness.deterministic`, with which the hook keeps the first number.

    Args:
        iters: Timed iterations for each number of threads.
    """

    priority = 'LOWEST'

    def __init__(self, iters: int = 5) -> None:
        if iters < 1:
            raise ValueError(f'iters must be at least 1, got {iters}')
        self.iters = iters
        self._mode = ''  # 'train' or 'test', once it has begun
        self._thread_counts: list[int] = []  # to be tried or in use, in this order, from `_index` on
        self._index = 0
        self._usual: dict[int, Iteration] = {}  # by number of threads
        self._iterations: list[Iteration] = []  # with the present number
        self._warm = False
        self._chosen = False
        self._begin = 0.
        self._end: float | None = None

    def before_train(self, runner: Runner) -> None:
        self._start(runner, 'train', runner.train_dataloader.num_workers)

    def before_test(self, runner: Runner) -> None:
        self._start(runner, 'test', runner.test_dataloader.num_workers)

    def _start(self, runner: Runner, mode: str, num_workers: int) -> None:
        if get_device() != 'cpu' or 'OMP_NUM_THREADS' in os.environ:
            return
        self._mode, self._usual, self._chosen = mode, {}, False
        self._thread_counts = thread_counts(process_cores(), num_workers)
        if torch.are_deterministic_algorithms_enabled():
            del self._thread_counts[1:]
        self._set(0)
        cores, threads = runner.message_hub.runtime_info.get('threads', (None, None))
        if mode == 'train' and cores == process_cores() and threads in self._thread_counts:
            self._choose(runner, self._thread_counts.index(threads), 'as before')
        elif len(self._thread_counts) == 1:
            self._choose(runner, 0)

    def _before_epoch(self, runner: Runner, mode: str = 'train') -> None:
        self._end = None

    def _before_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, mode: str = 'train') -> None:
        self._begin = time.perf_counter()

    def _after_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None,
                    outputs: dict | Sequence | None = None, mode: str = 'train') -> None:
        now = time.perf_counter()
        if mode == self._mode and self._end is not None:  # else it waited for more than its batch
            iteration = Iteration(self._begin - self._end, now - self._begin)
            (self._watch if self._chosen else self._try)(runner, iteration)
        self._end = now if mode == self._mode else None

    def _try(self, runner: Runner, iteration: Iteration) -> None:
        if not self._warm:
            self._warm = True
            return
        self._iterations.append(iteration)
        before = self._usual.get(self._thread_counts[self._index - 1]) if self._index else None
        spent = sum(map(sum, self._iterations))
        if len(self._iterations) < self.iters and not (before and spent > self.iters * sum(before)):
            return
        usual = Iteration(*map(median, zip(*self._iterations)))
        self._usual[self._thread_counts[self._index]] = usual
        if before and sum(usual) >= sum(before):
            self._choose(runner, self._index - 1)
        elif self._index + 1 == len(self._thread_counts):
            self._choose(runner, self._index)
        else:
            self._set(self._index + 1)

    def _watch(self, runner: Runner, iteration: Iteration) -> None:
        if self._index == 0 or not self._usual:
            return
        slow = iteration.compute > SLOW * self._usual[self._thread_counts[self._index]].compute
        self._iterations = [*self._iterations, iteration] if slow else []
        if len(self._iterations) == self.iters:
            runner.logger.info(f'Threads: iterations became {SLOW} times slower, which happens where another program '
                               f'needs the cores. Back to {self._thread_counts[0]}.')
            self._keep(runner, 0)

    def _choose(self, runner: Runner, index: int, why: str = '') -> None:
        self._keep(runner, index)
        self._chosen = True
        why = why or '; '.join(f'with {threads}: {usual}' for threads, usual in self._usual.items())
        runner.logger.info(f'Threads: {self._thread_counts[index]} on {process_cores()} cores{why and f" ({why})"}.')

    def _keep(self, runner: Runner, index: int) -> None:
        """Set the number of threads; in training also save it for a resumed run."""
        self._set(index)
        if self._mode == 'train':
            runner.message_hub.update_info('threads', (process_cores(), self._thread_counts[index]))

    def _set(self, index: int) -> None:
        self._index, self._iterations, self._warm = index, [], False
        torch.set_num_threads(self._thread_counts[index])


def process_cores() -> int:
    """Cores for this process: those that it may run on, shared among the processes of a distributed run on them."""
    return max(1, machine_cores() // local_processes())


def thread_counts(cores: int, num_workers: int) -> list[int]:
    """Numbers of threads: the cores that `num_workers` leave, twice as many, and so on up to all cores."""
    counts = [max(1, cores - num_workers)]
    while counts[-1] < cores:
        counts.append(min(2 * counts[-1], cores))
    return counts
