"""Trainings side by side: a metric over epochs from mmengine's logs, and how many epochs one needs to reach another."""
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple


class TrainingLog(NamedTuple):
    """What the logs of one training tell.

    Args:
        epoch: The last one that was trained in, whole or not; 0 if none.
        validations: Metrics by name, by the number of epochs trained before.
        minutes_per_epoch: Of training, without its validations; None if the logs have no times.
    """
    epoch: int
    validations: dict[int, dict[str, float]]
    minutes_per_epoch: float | None

    def curve(self, metric: str) -> dict[int, float]:
        """One metric by epoch, in order; empty if there is no validation.

        Raises:
            ValueError: If there are validations, but none with this metric.
        """
        found = {epoch: metrics[metric] for epoch, metrics in sorted(self.validations.items()) if metric in metrics}
        names = sorted(set().union(*self.validations.values()))
        if names and not found:
            raise ValueError(f'no metric {metric!r} in the logs, but: {", ".join(names)}')
        return found


def read_training_log(work_dir: Path) -> TrainingLog:
    """Read ``*/vis_data/scalars.json`` of a work directory: one for each time that the training was started.

    A training that was resumed in epoch E replaces what earlier ones logged of epoch E and later.

    Raises:
        ValueError: If a line is not JSON.
    """
    rows: list[dict[str, Any]] = []
    for path in sorted(work_dir.glob('*/vis_data/scalars.json')):  # the folders are named by the time
        added = list(_read_rows(path))
        begin = min((row['epoch'] for row in added if 'epoch' in row), default=float('inf'))
        rows = [row for row in rows if row.get('epoch', row['step']) < begin] + added
    training = [row for row in rows if 'epoch' in row]
    validations = {row['step']: {key: value for key, value in row.items() if key not in ('step', 'time', 'data_time')}
                   for row in rows if 'epoch' not in row}
    last = max((row['epoch'] for row in training), default=0)
    return TrainingLog(max(last, *validations, 0), validations, _minutes_per_epoch(training))


def _read_rows(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(path.read_text().splitlines(keepends=True), start=1):
        if not line.endswith('\n'):  # being written now, or cut off when the training was killed
            return
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
    apart = [first[epoch + 1] - first[epoch] for epoch in first if epoch + 1 in first]
    # with one epoch only, the last row of it: its last iterations may have none
    iterations = apart[0] if apart else max(row['iter'] for row in rows) / rows[0]['epoch']
    return fmean(seconds) * iterations / 60


def resume_from(work_dir: Path, log: TrainingLog, train_cfg: Mapping[str, Any]) -> Path | None:
    """The checkpoint to go on from if it is not the last one.

    A checkpoint is written before the validation of its epoch. Where the training was interrupted between the two, the
    last checkpoint would leave out that validation, so that it is the one before.
    """
    saved = {int(path.stem.removeprefix('epoch_')): path for path in work_dir.glob('epoch_*.pth')}
    pointer = work_dir / 'last_checkpoint'
    last = next((epoch for epoch, path in saved.items()
                 if pointer.is_file() and path.name == Path(pointer.read_text().strip()).name), None)
    if last is None or last in log.validations:
        return None
    due = last >= train_cfg.get('val_begin', 1) and last % train_cfg.get('val_interval', 1) == 0
    earlier = [epoch for epoch in saved if epoch < last]
    return saved[max(earlier)] if earlier and (due or last == train_cfg['max_epochs']) else None


class Run(NamedTuple):
    """One training of a comparison: a metric, better the greater it is, by epoch, and how many were planned."""
    name: str
    curve: dict[int, float]
    max_epochs: int
    minutes_per_epoch: float | None = None

    @property
    def final(self) -> tuple[int, float]:
        """Epoch and value of the last validation."""
        return max(self.curve.items())

    @property
    def best(self) -> tuple[int, float]:
        """Epoch and value of the best validation, the first of equals."""
        return max(self.curve.items(), key=lambda item: (item[1], -item[0]))


class Reached(NamedTuple):
    """After how many epochs one training is as good as another one at its end: None if it never is."""
    run: Run
    other: Run
    epoch: int | None

    @property
    def ratio(self) -> float | None:
        """Epochs needed over the epochs of the other training."""
        return None if self.epoch is None else self.epoch / self.other.final[0]

    def sentence(self, label: str) -> str:
        epochs, target = self.other.final
        goal = f'the final {label} of {self.other.name} ({target:.3f})'
        if self.epoch is None:
            return (f'{self.run.name} does not reach {goal} in {self.run.final[0]} epochs: its best is '
                    f'{self.run.best[1]:.3f}')
        return f'{self.run.name} reaches {goal} after {self.epoch} of {epochs} epochs ({self.ratio:.2f})'


def epochs_to_reach(curve: Mapping[int, float], target: float) -> int | None:
    """The first epoch whose value is at least `target`; None if there is none."""
    return min((epoch for epoch, value in curve.items() if value >= target), default=None)


def compare(runs: Sequence[Run]) -> list[Reached]:
    """The first training against each of the others."""
    first, *others = runs
    return [Reached(first, other, epochs_to_reach(first.curve, other.final[1])) for other in others]


def metric_label(metric: str) -> str:
    """As papers write it: 'AP' for 'coco/bbox_mAP', 'AP50' for 'coco/bbox_mAP_50'."""
    return metric.removeprefix('coco/').removeprefix('bbox_').replace('mAP_', 'AP').replace('mAP', 'AP')


def to_json(runs: Sequence[Run], metric: str) -> str:
    """The numbers of a comparison, exact."""
    courses = [dict(
        name=run.name, max_epochs=run.max_epochs, minutes_per_epoch=run.minutes_per_epoch, values=run.curve,
        best=dict(zip(('epoch', 'value'), run.best, strict=True)),
        final=dict(zip(('epoch', 'value'), run.final, strict=True))) for run in runs]
    pairs = [dict(name=pair.run.name, other=pair.other.name, target=pair.other.final[1], epoch=pair.epoch,
                  of_epochs=pair.other.final[0], ratio=pair.ratio) for pair in compare(runs)]
    return json.dumps(dict(metric=metric, runs=courses, pairs=pairs), indent=2) + '\n'


def to_markdown(runs: Sequence[Run], metric: str) -> str:
    """A table of epochs x trainings, and below it who reaches whom."""
    label = metric_label(metric)
    rows = [(f'{label} after epoch', *(run.name for run in runs)), ('---', *('---:' for _ in runs))]
    for epoch in sorted(set().union(*(run.curve for run in runs))):
        rows.append((str(epoch), *(f'{run.curve[epoch]:.3f}' if epoch in run.curve else '' for run in runs)))
    rows.append(('best', *(f'{run.best[1]:.3f} (epoch {run.best[0]})' for run in runs)))
    rows.append(('final', *(f'{run.final[1]:.3f} (epoch {run.final[0]})' for run in runs)))
    if any(run.minutes_per_epoch is not None for run in runs):
        rows.append(('minutes per epoch of training', *(
            '' if run.minutes_per_epoch is None else f'{run.minutes_per_epoch:.2f}' for run in runs)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = [' | '.join(cell.ljust(width) if number == 0 else cell.rjust(width)
                        for number, (cell, width) in enumerate(zip(row, widths, strict=True))) for row in rows]
    below = [f'- {pair.sentence(label)}' for pair in compare(runs)]
    below += [f'- {run.name} has been validated up to epoch {run.final[0]} of {run.max_epochs}: "final" means that one'
              for run in runs if run.final[0] < run.max_epochs]
    return '\n'.join([f'# {metric} over epochs', '', *(f'| {line} |' for line in table), '', *below]) + '\n'
