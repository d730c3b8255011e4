"""What mmengine's logs tell of a training: a metric over epochs, and how long an epoch takes."""
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
        validations: Metrics by name, by the number of epochs trained before.
        minutes_per_epoch: Of training, without its validations; None if the logs have no times.
    """
    work_dir: Path
    epoch: int
    validations: dict[int, dict[str, float]]
    minutes_per_epoch: float | None

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
        begin = min((row['epoch'] for row in added if 'epoch' in row), default=math.inf)
        rows = [row for row in rows if row.get('epoch', row['step']) < begin] + added
    training = [row for row in rows if 'epoch' in row]
    validations = {row['step']: {key: value for key, value in row.items() if key not in ('step', 'time', 'data_time')}
                   for row in rows if 'epoch' not in row}
    epoch = max([0, *validations, *(row['epoch'] for row in training)])
    return TrainingLog(work_dir, epoch, validations, _minutes_per_epoch(training))


def _read_rows(path: Path) -> Iterator[dict[str, Any]]:
    # what comes after the last end of a line is being written now, or was cut off when the training was killed
    for number, line in enumerate(path.read_text().split('\n')[:-1], start=1):
        try:
            yield json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f'{path}, line {number} is not JSON: {error}') from error


def _minutes_per_epoch(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """From the seconds per iteration of the rows of training, and how far apart the first rows of two epochs are."""
    seconds = [row['time'] for row in rows if 'time' in row]
    if not seconds:
        return None
    first = {row['epoch']: row['iter'] for row in reversed(rows)}
    # with one epoch only, the last row of it: its last iterations may have none
    iterations = next((first[epoch + 1] - first[epoch] for epoch in first if epoch + 1 in first),
                      max(row['iter'] for row in rows) / rows[0]['epoch'])
    return fmean(seconds) * iterations / 60


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
