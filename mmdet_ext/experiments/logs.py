"""What mmengine's logs tell of a training: losses and rates, a metric over epochs, and how long an epoch takes."""
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple


class TrainingLog(NamedTuple):
    """The logs of one training.

    Args:
        work_dir: Of the training.
        epoch: The last epoch that began; 0 if none.
        validations: Metrics by name, by the number of epochs trained before; of iterations, as far as these were
            logged, if epochs do not count.
        minutes_per_epoch: Of training, without its validations; None if the logs have no times.
        rows: What was logged of training, in order: `iter`, `epoch` unless epochs do not count, `lr`, losses.
    """
    work_dir: Path
    epoch: int
    validations: dict[int, dict[str, float]]
    minutes_per_epoch: float | None
    rows: Sequence[Mapping[str, Any]] = ()

    @property
    def by_epoch(self) -> bool:
        """Whether the training counts epochs, not only iterations."""
        return any('epoch' in row for row in self.rows)

    def time_of(self, row: Mapping[str, Any]) -> float:
        """When a row of training was logged, in epochs since the beginning, or in iterations if these count."""
        return row['iter'] / _iterations_per_epoch(self.rows) if self.by_epoch else row['iter']

    @property
    def minutes(self) -> float | None:
        """Minutes of training, without validations; None if the logs have no times."""
        seconds = [row['time'] for row in self.rows if 'time' in row]
        return fmean(seconds) * self.rows[-1]['iter'] / 60 if seconds else None

    def curve(self, metric: str) -> dict[int, float]:
        """One metric by epoch, in order; empty if there is no validation.

        Raises:
            ValueError: If there are validations, but none with this metric.
        """
        values = {epoch: metrics[metric] for epoch, metrics in sorted(self.validations.items()) if metric in metrics}
        names = sorted(set().union(*self.validations.values()))
        if names and not values:
            raise ValueError(f'{self.work_dir}: no metric {metric!r} in the logs, but: {", ".join(names)}')
        return values


def read_training_log(work_dir: Path) -> TrainingLog:
    """Read ``*/vis_data/scalars.json`` of a work directory: one file for each time that the training was started.

    A training that was resumed in epoch E replaces what earlier ones logged of epoch E and later.

    Raises:
        ValueError: If a line is not JSON.
    """
    rows: list[dict[str, Any]] = []
    for path in sorted(work_dir.glob('*/vis_data/scalars.json')):  # the folders are named by the time
        added = list(_read_rows(path))
        begin = min((_when(row) for row in added if 'iter' in row), default=math.inf)
        rows = [row for row in rows if _when(row) < begin] + added
    training = [row for row in rows if 'iter' in row]
    validations = {row['step']: {key: value for key, value in row.items() if key not in ('step', 'time', 'data_time')}
                   for row in rows if 'iter' not in row}
    epoch = max([0, *validations, *(row['epoch'] for row in training if 'epoch' in row)])
    return TrainingLog(work_dir, epoch, validations, _minutes_per_epoch(training), training)


def _when(row: Mapping[str, Any]) -> int:
    """Epoch of a row, or its iteration if epochs do not count. The `step` of a validation is one or the other."""
    return row.get('epoch', row['step'])


def _read_rows(path: Path) -> Iterator[dict[str, Any]]:
    iteration = 0
    # what comes after the last end of a line is being written now, or was cut off when the training was killed
    for number, line in enumerate(path.read_text(encoding='utf-8').split('\n')[:-1], start=1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f'{path}, line {number} is not JSON: {error}') from error
        if 'iter' in row:
            iteration = 0 if 'epoch' in row else row['iter']
        # mmengine's LoggerHook logs a validation under the epoch, which is 0 where only iterations count
        yield row if 'iter' in row or row['step'] else row | dict(step=iteration)


def _minutes_per_epoch(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """From the seconds per iteration of the rows of training, and how far apart the first rows of two epochs are."""
    seconds = [row['time'] for row in rows if 'time' in row]
    if not seconds or 'epoch' not in rows[0]:
        return None
    return fmean(seconds) * _iterations_per_epoch(rows) / 60


def _iterations_per_epoch(rows: Sequence[Mapping[str, Any]]) -> float:
    first = {row['epoch']: row['iter'] for row in reversed(rows)}
    # with one epoch only, the last row of it: its last iterations may have none
    return next((first[epoch + 1] - first[epoch] for epoch in first if epoch + 1 in first),
                max(row['iter'] for row in rows) / rows[0]['epoch'])


def resume_from(log: TrainingLog, train_cfg: Mapping[str, Any]) -> Path | None:
    """The checkpoint to go on from if it is not the last one.

    A checkpoint is written before the validation of its epoch. If the training was interrupted between the two, a run
    that goes on from the last checkpoint would leave out that validation; it goes on from the one before.
    """
    saved = {int(path.stem.removeprefix('epoch_')): path for path in log.work_dir.glob('epoch_*.pth')}
    *earlier, last = sorted(saved) or [0]
    due = last >= train_cfg.get('val_begin', 1) and last % train_cfg.get('val_interval', 1) == 0
    missing = last not in log.validations and (due or last == train_cfg['max_epochs'])
    return saved[earlier[-1]] if earlier and missing else None
