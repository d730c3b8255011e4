"""This checkout compared with another one, each in a process of its own; the two take turns."""
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import trange

from . import ROOT
from .measure import Measurement, Row
from .processes import Worker


def worker_of(root: Path, name: str, device: str, threads: int = 1) -> Worker:
    """A process with one workload of the checkout at `root`; it answers what `serve.py` names."""
    command = [sys.executable, '-W', 'ignore', Path(__file__).with_name('serve.py'), root, name, device]
    return Worker(f'{name}: {"this checkout" if root == ROOT else root.name}', command, root, PYTHONPATH=root,
                  OMP_NUM_THREADS=threads)


def compare(other: Path, name: str, device: str, repeats: int, threads: int = 1) -> Iterator[Row]:
    """A workload in the other checkout and in this one: medians of `repeats` calls, taken in turns."""
    workers = [worker_of(root, name, device, threads) for root in (other, ROOT)]
    seconds = {worker: [] for worker in workers}
    for _ in trange(repeats + 2, desc=name, leave=False, disable=None):
        for worker in workers:
            seconds[worker].append(worker.request('time'))
    for worker in workers:
        yield worker.label, Measurement(statistics.median(seconds[worker][2:]), worker.request('peak'))
        worker.close()


def counts(roots: Sequence[Path], names: Sequence[str], device: str) -> Iterator[tuple[str, dict]]:
    """What the third call of each workload costs the host, for each checkout."""
    for name in names:
        for root in roots:
            worker = worker_of(root, name, device)
            *_, counted = map(worker.request, ('time', 'time', 'count'))
            yield worker.label, counted
            worker.close()
