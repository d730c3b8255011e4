"""All configs are tried in processes, a few in each; what is known already is not tried again."""
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ...operators.switch import compiled_spec
from ..small_models import save_small_texts
from .row import COMPILED, STAND_IN, Row, read_lines, read_rows, write_row

GROUP = 24  # configs in a process
SECONDS = 300.  # that one config may need
MODULE = f'{__package__}.worker'


def operators_to_try(name: str) -> tuple[str, ...]:
    """The operators that 'installed', 'stand-in' or 'both' stand for.

    Raises:
        ValueError: If both are asked for, and mmcv has no compiled ones.
    """
    if name == 'both' and compiled_spec() is None:
        raise ValueError("--operators both compares with mmcv's compiled operators, and the installed mmcv has none: "
                         'take --operators stand-in')
    installed = STAND_IN if compiled_spec() is None else COMPILED
    return {'installed': (installed, ), STAND_IN: (STAND_IN, ), 'both': (COMPILED, STAND_IN)}[name]


def run_configs(configs: Sequence[str], operators: Sequence[str], file: Path, *, again: bool = False,
                runs: int = 3, report: Callable[[Row], None] = lambda row: None) -> dict[tuple[str, str], Row]:
    """Try configs with each of the operators; the rows go into `file`, in which those of an earlier run stay.

    Args:
        configs: FAMILY/NAME.py each.
        operators: 'compiled', 'stand-in', or both.
        file: JSON lines, one row each.
        again: Whether rows that are there are made again.
        runs: How often each step runs at most, to time it.
        report: Gets each row that is new.
    """
    known = set() if again else read_rows(file).keys()
    groups = [(chosen, [config for config in configs[start:start + GROUP] if (config, chosen) not in known])
              for start in range(0, len(configs), GROUP) for chosen in operators]
    if any(group for _, group in groups):
        with tempfile.TemporaryDirectory() as folder:
            texts = Path(folder)
            save_small_texts(texts)
            for chosen, left in groups:
                while left:
                    for row in _run_process(tuple(left), chosen, file, texts, runs):
                        left.remove(row.config)
                        report(row)
    return read_rows(file)


def _run_process(configs: Sequence[str], operators: str, file: Path, texts: Path, runs: int) -> Iterator[Row]:
    """The rows that one process makes, and, if it ends before the last, a row for the config that ended it."""
    before = len(read_lines(file))
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    environment.pop('MMDET_EXT_OPERATORS', None)
    if operators == STAND_IN:
        environment['MMDET_EXT_OPERATORS'] = STAND_IN
    seen, last, size = 0, time.monotonic(), file.stat().st_size if file.exists() else 0
    with (tempfile.TemporaryFile() as errors,
          subprocess.Popen([sys.executable, '-m', MODULE, str(file), str(texts), str(runs), *configs],
                           env=environment, stdout=subprocess.DEVNULL, stderr=errors) as process):
        try:
            ended = False
            while not ended:
                ended = process.poll() is not None
                if file.exists() and file.stat().st_size > size:
                    size = file.stat().st_size
                    for row in read_lines(file)[before + seen:]:
                        seen, last = seen + 1, time.monotonic()
                        yield row
                if time.monotonic() - last > SECONDS:
                    process.kill()
                if not ended:
                    time.sleep(0.2)
        finally:
            process.kill()
        if seen < len(configs):
            errors.seek(0)
            row = _row_of_crash(configs[seen], operators, process.returncode, time.monotonic() - last > SECONDS,
                                errors.read().decode(errors='replace'))
            write_row(file, row)
            yield row


def _row_of_crash(config: str, operators: str, status: int, slow: bool, errors: str) -> Row:
    if slow:
        return Row(config, operators, f'no answer after {SECONDS:.0f} s', 'no answer')
    last = next((line.strip() for line in reversed(errors.splitlines()) if line.strip()), '')
    cause = f'signal {-status}' if status < 0 else f'exit status {status}'
    return Row(config, operators, f'the process ended with {cause}: {last}'[:400], 'crash')
