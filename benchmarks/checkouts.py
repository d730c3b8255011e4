"""This checkout compared with another one, each in a process of its own; the two take turns."""
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import trange

from . import ROOT
from .measure import Measurement, Row
from .serve import ANSWER


class Worker:
    """A process that has prepared one workload of one checkout.

    Args:
        root: Path of the checkout.
        name: Name of the workload.
        device: 'cpu' or 'cuda'.
        threads: Number of threads of the process on the CPU.

    Raises:
        RuntimeError: If the process ends before it answers; the message contains what it printed.
    """

    def __init__(self, root: Path, name: str, device: str, threads: int = 1) -> None:
        environment = os.environ | dict(PYTHONPATH=str(root), OMP_NUM_THREADS=str(threads))
        command = [sys.executable, '-W', 'ignore', str(Path(__file__).with_name('serve.py')), str(root), name, device]
        self.label = f'{name}: {"this checkout" if root == ROOT else root.name}'
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, cwd=root)
        self._read()

    def request(self, figure: str) -> object:
        """One of the figures that `serve.py` names."""
        self.process.stdin.write(f'{figure}\n')
        self.process.stdin.flush()
        return self._read()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def _read(self) -> object:
        printed = []
        for line in self.process.stdout:
            if line.startswith(ANSWER):
                return json.loads(line.removeprefix(ANSWER))
            printed.append(line)
        raise RuntimeError(f'{self.label} ended:\n{"".join(printed[-30:])}')


def compare(other: Path, name: str, device: str, repeats: int, threads: int = 1) -> Iterator[Row]:
    """A workload in the other checkout and in this one: medians of `repeats` calls, taken in turns."""
    workers = [Worker(root, name, device, threads) for root in (other, ROOT)]
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
            worker = Worker(root, name, device)
            worker.request('time')
            worker.request('time')
            yield worker.label, worker.request('count')
            worker.close()
