"""Trainings compared by a metric over epochs: after how many epochs one is as good as another one at its end."""
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tabulate import tabulate

from ..files import replace_file
from .trainings import Training


class Run(NamedTuple):
    """One training of a comparison: a metric, better the greater it is, by epoch, and how many epochs were planned."""
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


def write_comparison(trainings: Sequence[Training], out: Path, metric: str, partial: bool) -> None:
    """Print and write `out`/comparison.md, .json and .png from the logs of trainings.

    Args:
        trainings: The first is compared with each of the others.
        out: Folder.
        metric: Name of the metric in the logs.
        partial: Whether trainings without a validation are left out.

    Raises:
        ValueError: If there is no validation, or none with this metric.
    """
    from .learning_curves import draw_learning_curves  # only now: it imports matplotlib

    runs = []
    for training in trainings:
        log = training.log()
        try:
            curve = log.curve(metric)
        except ValueError as error:
            raise ValueError(f'{training.work_dir}: {error}') from error
        if curve:
            runs.append(Run(training.name, curve, training.max_epochs, log.minutes_per_epoch))
        elif partial:
            print(f'{training.name}: no validation yet, left out')
        else:
            raise ValueError(f'{training.work_dir}: no validation in the logs')
    if not runs:
        names = ', '.join(training.name for training in trainings)
        raise ValueError(f'{out}: no validation in the logs of {names}')
    table = to_markdown(runs, metric)
    print(f'\n{table}')
    for suffix, text in (('md', f'{table}\n![](comparison.png)\n'), ('json', to_json(runs, metric))):
        with replace_file(out / f'comparison.{suffix}') as file:
            file.write(text.encode())
    draw_learning_curves(runs, out / 'comparison.png', metric_label(metric))
    print(f'wrote {out / "comparison.md"}, .json and .png')


def to_json(runs: Sequence[Run], metric: str) -> str:
    """The numbers of a comparison, exact."""

    def point(epoch_and_value: tuple[int, float]) -> dict[str, float]:
        return dict(zip(('epoch', 'value'), epoch_and_value, strict=True))

    courses = [dict(name=run.name, max_epochs=run.max_epochs, minutes_per_epoch=run.minutes_per_epoch,
                    values=run.curve, best=point(run.best), final=point(run.final)) for run in runs]
    pairs = [dict(name=pair.run.name, other=pair.other.name, target=pair.other.final[1], epoch=pair.epoch,
                  of_epochs=pair.other.final[0], ratio=pair.ratio) for pair in compare(runs)]
    return json.dumps(dict(metric=metric, runs=courses, pairs=pairs), indent=2) + '\n'


def to_markdown(runs: Sequence[Run], metric: str) -> str:
    """A table of epochs x trainings, and below it which training reaches which."""
    label = metric_label(metric)
    rows = [[epoch, *(f'{run.curve[epoch]:.3f}' if epoch in run.curve else '' for run in runs)]
            for epoch in sorted(set().union(*(run.curve for run in runs)))]
    rows += [['best', *(f'{run.best[1]:.3f} (epoch {run.best[0]})' for run in runs)],
             ['final', *(f'{run.final[1]:.3f} (epoch {run.final[0]})' for run in runs)]]
    minutes = ['' if run.minutes_per_epoch is None else f'{run.minutes_per_epoch:.2f}' for run in runs]
    if any(minutes):
        rows.append(['minutes per epoch of training', *minutes])
    table = tabulate(rows, [f'{label} after epoch', *(run.name for run in runs)], tablefmt='pipe',
                     disable_numparse=True, colalign=('left', *('right' for _ in runs)))
    below = [f'- {pair.sentence(label)}' for pair in compare(runs)]
    below += [f'- {run.name} has been validated up to epoch {run.final[0]} of {run.max_epochs}: "final" means that one'
              for run in runs if run.final[0] < run.max_epochs]
    return '\n'.join([f'# {metric} over epochs', '', table, '', *below]) + '\n'
