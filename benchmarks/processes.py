"""Work in a process of its own, which holds nothing from before."""
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple, TypeVar

from . import ROOT

Result = TypeVar('Result')
ANSWER = 'answer: '
# Linux counts what a process held when it started another one as that one's: a small one starts it.
STARTER = """import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(process.pid, 0)
print(f'\\nused {usage.ru_utime + usage.ru_stime} {usage.ru_maxrss}', flush=True)
sys.exit(os.waitstatus_to_exitcode(status))"""


class Finished(NamedTuple):
    """A command that has run: what it printed, its seconds of the CPU, and its greatest resident size in bytes."""
    printed: str
    cpu_seconds: float
    peak_bytes: int


def run(command: Sequence[object], env: Mapping[str, str] | None = None, folder: Path | None = None) -> Finished:
    """Run a command in `folder` with this checkout's package; it has no OMP_NUM_THREADS but that of `env`.

    Raises:
        ChildProcessError: If it fails; the message contains what it printed.
    """
    command = [*map(str, command)]
    variables = {key: value for key, value in os.environ.items() if key != 'OMP_NUM_THREADS'} | dict(env or {})
    variables['PYTHONPATH'] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get('PYTHONPATH'))))
    with tempfile.TemporaryFile('w+', encoding='utf-8') as log:
        status = subprocess.run([sys.executable, '-c', STARTER, *command], stdout=log, stderr=log, env=variables,
                                cwd=folder).returncode
        log.seek(0)
        printed, _, used = log.read().rpartition('\nused ')
    if status:
        raise ChildProcessError(f'{" ".join(command)} failed:\n{printed}')
    seconds, kilobytes = used.split()
    return Finished(printed, float(seconds), int(kilobytes) * 1024)


def alone(work: Callable[..., Result], *args: object) -> Result:
    """What `work` returns in a new process."""
    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:
        return pool.submit(work, *args).result()


class Worker:
    """A process that answers each line by a line of json behind `ANSWER`, and gives such a line when it is ready.

    Raises:
        ChildProcessError: If the process ends before it answers; the message contains what it printed.
    """

    def __init__(self, label: str, command: Sequence[object], folder: Path | None = None, **env: object) -> None:
        self.label = label
        variables = os.environ | {key: str(value) for key, value in env.items()}
        self.process = subprocess.Popen([*map(str, command)], env=variables, cwd=folder, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self._read()

    def request(self, line: str) -> object:
        self.process.stdin.write(f'{line}\n')
        self.process.stdin.flush()
        return self._read()

    def close(self) -> None:
        self.process.communicate()

    def _read(self) -> object:
        printed = []
        for line in self.process.stdout:
            if line.startswith(ANSWER):
                return json.loads(line.removeprefix(ANSWER))
            printed.append(line)
        raise ChildProcessError(f'{self.label} ended:\n{"".join(printed[-30:])}')
