"""Trainings compared by a metric over epochs: after how many epochs one is as good as another one at its end."""
import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tabulate import tabulate


class Point(NamedTuple):
    """One validation."""
    epoch: int
    value: float


class Run(NamedTuple):
    """One training of a comparison: a metric, better the greater it is, by epoch, and how many epochs were planned."""
    name: str
    values: dict[int, float]
    max_epochs: int
    minutes_per_epoch: float | None = None

    @property
    def final(self) -> Point:
        """The last validation."""
        return Point(*max(self.values.items()))

    @property
    def best(self) -> Point:
        """The best validation, the first of equals."""
        return Point(*max(self.values.items(), key=lambda item: (item[1], -item[0])))


class Reached(NamedTuple):
    """After how many epochs one training is as good as another one at its end: None if it never is."""
    run: Run
    other: Run
    epoch: int | None

    @property
    def ratio(self) -> float | None:
        """Epochs needed over the epochs of the other training."""
        return None if self.epoch is None else self.epoch / self.other.final.epoch

    def sentence(self, label: str) -> str:
        epochs, target = self.other.final
        goal = f'the final {label} of {self.other.name} ({target:.3f})'
        if self.epoch is None:
            return (f'{self.run.name} does not reach {goal} in {self.run.final.epoch} epochs: its best is '
                    f'{self.run.best.value:.3f}')
        return f'{self.run.name} reaches {goal} after {self.epoch} of {epochs} epochs ({self.ratio:.2f})'


def epochs_to_reach(values: Mapping[int, float], target: float) -> int | None:
    """The first epoch whose value is at least `target`; None if there is none."""
    return min((epoch for epoch, value in values.items() if value >= target), default=None)


def compare(runs: Sequence[Run]) -> list[Reached]:
    """The first training against each of the others."""
    first, *others = runs
    return [Reached(first, other, epochs_to_reach(first.values, other.final.value)) for other in others]


def metric_label(metric: str) -> str:
    """As papers write it: 'AP' for 'coco/bbox_mAP', 'AP50' for 'coco/bbox_mAP_50'."""
    return metric.removeprefix('coco/').removeprefix('bbox_').replace('mAP_', 'AP').replace('mAP', 'AP')


def to_json(runs: Sequence[Run], metric: str) -> str:
    """The numbers of a comparison, exact."""
    curves = [run._asdict() | dict(best=run.best._asdict(), final=run.final._asdict()) for run in runs]
    pairs = [dict(name=pair.run.name, other=pair.other.name, target=pair.other.final.value, epoch=pair.epoch,
                  of_epochs=pair.other.final.epoch, ratio=pair.ratio) for pair in compare(runs)]
    return json.dumps(dict(metric=metric, runs=curves, pairs=pairs), indent=2) + '\n'


def to_markdown(runs: Sequence[Run], metric: str) -> str:
    """A table of epochs x trainings, and below it which training reaches which."""
    label = metric_label(metric)
    rows = [[epoch, *(f'{run.values[epoch]:.3f}' if epoch in run.values else '' for run in runs)]
            for epoch in sorted(set().union(*(run.values for run in runs)))]
    for name in ('best', 'final'):
        points = [getattr(run, name) for run in runs]
        rows.append([name, *(f'{point.value:.3f} (epoch {point.epoch})' for point in points)])
    minutes = ['' if run.minutes_per_epoch is None else f'{run.minutes_per_epoch:.2f}' for run in runs]
    if any(minutes):
        rows.append(['minutes per epoch of training', *minutes])
    table = tabulate(rows, [f'{label} after epoch', *(run.name for run in runs)], tablefmt='pipe',
                     disable_numparse=True, colalign=('left', *('right' for _ in runs)))
    below = [f'- {pair.sentence(label)}' for pair in compare(runs)]
    below += [f'- {run.name} has been validated up to epoch {run.final.epoch} of {run.max_epochs}: "final" means that '
              'one' for run in runs if run.final.epoch < run.max_epochs]
    return '\n'.join([f'# {metric} over epochs', '', table, '', *below]) + '\n'
