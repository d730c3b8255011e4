"""Several configs trained one after the other or side by side; trainings that were interrupted go on."""
import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from mmengine.config import ConfigDict

from .. import launch
from ..config_options import ConfigOptions
from ..engine.threads_hook import process_cores
from .comparison import metric_label
from .logs import TrainingLog, read_training_log, resume_from

POLL = 5  # seconds between two looks at the logs of trainings side by side


@dataclass(eq=False)
class Training:
    """One config to train, with its logs and checkpoints in `work_dir`; `seed` is None for that of the config."""
    name: str
    config: str
    work_dir: Path
    train_cfg: ConfigDict
    seed: int | None = None

    @property
    def title(self) -> str:
        """The name, and the seed if there is one."""
        return self.name if self.seed is None else f'{self.name} with seed {self.seed}'

    @property
    def max_epochs(self) -> int:
        return self.train_cfg['max_epochs']

    @property
    def marker(self) -> Path:
        """A file with the `max_epochs` of a training that ended by itself, early or not."""
        return self.work_dir / 'finished'

    def log(self) -> TrainingLog:
        return read_training_log(self.work_dir)

    def is_finished(self) -> bool:
        return max(self.log().validations, default=0) >= self.max_epochs or (
            self.marker.is_file() and self.marker.read_text(encoding='utf-8') == str(self.max_epochs))

    def progress(self, metric: str) -> str:
        """One line: the epoch, and the latest value of `metric`."""
        log = self.log()
        epochs = [epoch for epoch, metrics in log.validations.items() if metric in metrics]
        latest = (f', {metric_label(metric)} {log.validations[epochs[-1]][metric]:.3f} after epoch {epochs[-1]}'
                  if epochs else '')
        return f'{self.title}: epoch {log.epoch} of {self.max_epochs}{latest}'


def read_trainings(configs: Sequence[str], out: Path, options: Sequence[str],
                   seeds: Sequence[int] = ()) -> list[Training]:
    """Read all configs before the first is trained: those with the first seed, then those with the next.

    Args:
        configs: Files.
        out: A training goes to `out`/NAME, or to `out`/NAME/seed_N.
        options: KEY=VALUE that replace values of all configs.
        seeds: Of `randomness.seed`; none to train once, with the seed of the config.

    Raises:
        ValueError: If two configs have the same name, or one is not trained by epochs.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument('options', nargs='*', action=ConfigOptions)
    trainings: dict[str, Training] = {}
    for config in configs:
        cfg = launch.load_config(config, options=dict(parser.parse_args(options).options or {}))
        name = Path(config).stem
        if name in trainings:
            raise ValueError(f'{trainings[name].config} and {config} have the same name: both would be trained in '
                             f'{out / name}')
        if 'max_epochs' not in (cfg.get('train_cfg') or {}):
            raise ValueError(f'{config} has no train_cfg.max_epochs: only trainings by epochs are compared')
        trainings[name] = Training(name, config, out / name, cfg.train_cfg)
    if not seeds:
        return list(trainings.values())
    return [replace(training, work_dir=training.work_dir / f'seed_{seed}', seed=seed)
            for seed in seeds for training in trainings.values()]


def train_all(trainings: Sequence[Training], tool: Path, options: Sequence[str], jobs: int, metric: str) -> None:
    """Train what is not finished, `jobs` at a time. After a failure none is begun, and those that run go on.

    `tool` is the script that trains one config, `options` its ``--cfg-options``. With one job a training prints here;
    with more, each prints to its train.log, and its progress is printed here: the epoch and the metric.

    Raises:
        ValueError: If a training fails.
    """
    waiting = [training for training in trainings if not training.is_finished()]
    for training in trainings:
        if training not in waiting:
            print(f'{training.title}: finished already')
    running: dict[Training, subprocess.Popen] = {}
    printed, failures = {}, []
    try:
        while running or (waiting and not failures):
            while waiting and not failures and len(running) < jobs:
                training = waiting.pop(0)
                running[training] = _start(training, tool, options, jobs)
            with suppress(subprocess.TimeoutExpired):
                next(iter(running.values())).wait(timeout=POLL)
            for training, process in list(running.items()):
                code = process.poll()
                if jobs > 1 and (line := training.progress(metric)) != printed.get(training):
                    printed[training] = line
                    print(line, flush=True)
                if code is not None:
                    del running[training]
                if code:
                    failures.append(f'the training of {training.title} failed with exit code {code}: see '
                                    f'{_log(training, jobs)}')
                elif code == 0:
                    training.marker.write_text(str(training.max_epochs))
    finally:
        for process in running.values():
            process.terminate()
            process.wait()
    if failures:
        raise ValueError('; '.join(failures))


def _start(training: Training, tool: Path, options: Sequence[str], jobs: int) -> subprocess.Popen:
    if training.seed is not None:
        options = [*options, f'randomness.seed={training.seed}']
    checkpoint = resume_from(training.log(), training.train_cfg)
    command = [sys.executable, str(tool), training.config, '--work-dir', str(training.work_dir), '--resume',
               *([str(checkpoint)] if checkpoint else []), *(['--cfg-options', *options] if options else [])]
    print('$', shlex.join(command), flush=True)
    training.work_dir.mkdir(parents=True, exist_ok=True)
    if jobs == 1:
        return subprocess.Popen(command)
    threads = max(1, process_cores() // jobs)
    with open(_log(training, jobs), 'a', encoding='utf-8') as output:
        return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT,
                                env=dict(OMP_NUM_THREADS=str(threads)) | os.environ)


def _log(training: Training, jobs: int) -> Path:
    """The file with what a training printed or, if it printed it here, mmengine's log of it."""
    if jobs > 1:
        return training.work_dir / 'train.log'
    return max(training.work_dir.glob('*/*.log'), default=training.work_dir)  # the folders are named by the time
