"""This checkout compared with another one, each in a process of its own; the two take turns."""
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from .measure import Measurement, Row
from .workloads import ANSWER

HERE = Path(__file__).resolve().parents[2]
STEPS = ('step-yolov9t', 'step-yolov9c', 'step-yolov9c-rd', 'step-smca', 'step-mdetr')
WORKLOADS = (*STEPS, 'assign-20', 'assign-100', 'assign-1000', 'smca-decoder', 'predict-yolov9t', 'training-images',
             'figures', 'captions', 'import')


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
        script = Path(__file__).with_name('workloads.py')
        command = [sys.executable, '-W', 'ignore', str(script), str(root), name, device]
        self.label = f'{name} of {root}'
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, cwd=root)
        self._read()

    def ask(self, question: str) -> object:
        self.process.stdin.write(f'{question}\n')
        self.process.stdin.flush()
        return self._read()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def _read(self) -> object:
        said = []
        for line in self.process.stdout:
            if line.startswith(ANSWER):
                return json.loads(line.removeprefix(ANSWER))
            said.append(line)
        raise RuntimeError(f'{self.label} ended:\n{"".join(said[-30:])}')


def compare(other: Path, names: Sequence[str], device: str, repeats: int, threads: int = 1) -> Iterator[Row]:
    """Rows of the other checkout and of this one for each workload: medians of `repeats` calls, taken in turns."""
    for name in names:
        workers = [Worker(root, name, device, threads) for root in (other, HERE)]
        seconds = [[] for _ in workers]
        for i in tqdm(range(repeats + 2), desc=name, leave=False, disable=None):
            for worker, times in zip(workers, seconds):
                answer = worker.ask('time')
                if i >= 2:
                    times.append(answer)
        peaks = [worker.ask('peak') for worker in workers]
        for worker in workers:
            worker.close()
        for label, times, peak in zip((other.name, 'this checkout'), seconds, peaks):
            yield f'{name}: {label}', Measurement(statistics.median(times), peak)


def counts(roots: Sequence[Path], names: Sequence[str], device: str) -> Iterator[tuple[str, dict]]:
    """What the third call of each workload costs the host, for each checkout."""
    for name in names:
        for root in roots:
            worker = Worker(root, name, device)
            worker.ask('time')
            worker.ask('time')
            found = worker.ask('count')
            worker.close()
            yield f'{name}: {"this checkout" if root == HERE else root.name}', found
