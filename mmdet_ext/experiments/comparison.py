"""Trainings compared by a metric over epochs: after how many epochs one is as good as another one at its end.

A config that is trained with several seeds counts as one training: its curve is their mean, its spread their standard
deviation.
"""
import json
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from types import MappingProxyType
from typing import NamedTuple

from tabulate import tabulate

MAX_COLUMNS = 3  # trainings that are columns of the table


class Point(NamedTuple):
    """One validation."""
    epoch: int
    value: float


class Run(NamedTuple):
    """One training of a comparison: a metric, better the greater it is, by epoch, and how many epochs were planned.

    With several seeds `values` are the means, and `seeds` has the values of each seed.
    """
    name: str
    values: dict[int, float]
    max_epochs: int
    minutes_per_epoch: float | None = None
    seeds: Mapping[int, Mapping[int, float]] = MappingProxyType({})

    def deviation(self, epoch: int) -> float | None:
        """The standard deviation between the seeds; None with fewer than two."""
        return stdev(curve[epoch] for curve in self.seeds.values()) if len(self.seeds) > 1 else None

    def cell(self, epoch: int) -> str:
        """'0.512', or with several seeds '0.512 ± 0.010'; empty without a validation."""
        if epoch not in self.values:
            return ''
        deviation = self.deviation(epoch)
        return f'{self.values[epoch]:.3f}' + ('' if deviation is None else f' ± {deviation:.3f}')

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


class Difference(NamedTuple):
    """How much greater the final values of one training are than those of another one with the same seeds."""
    run: Run
    other: Run

    @property
    def values(self) -> dict[int, float]:
        """By seed, for seeds that both have."""
        (first, second) = (run.final.epoch for run in self)
        return {seed: curve[first] - self.other.seeds[seed][second]
                for seed, curve in self.run.seeds.items() if seed in self.other.seeds}

    def sentence(self, label: str) -> str:
        values = list(self.values.values())
        return (f'the final {label} of {self.run.name} is {_signed(values)} that of {self.other.name}, mean and '
                f'standard deviation of {len(values)} seeds; greater with {sum(value > 0 for value in values)} of them')


def _signed(values: Sequence[float]) -> str:
    mean = fmean(values)
    return f'{abs(mean):.3f} ± {stdev(values):.3f} {"above" if mean >= 0 else "below"}'


def mean_run(name: str, seeds: Mapping[int, Mapping[int, float]], max_epochs: int,
             minutes_per_epoch: Sequence[float | None]) -> Run:
    """One training of several seeds, at the epochs that all of them have been validated after.

    Raises:
        ValueError: If there is no such epoch.
    """
    epochs = sorted(set.intersection(*(set(curve) for curve in seeds.values())))
    if not epochs:
        raise ValueError(f'{name}: no epoch has a validation with each of the seeds {", ".join(map(str, seeds))}')
    minutes = [value for value in minutes_per_epoch if value is not None]
    return Run(name, {epoch: fmean(curve[epoch] for curve in seeds.values()) for epoch in epochs}, max_epochs,
               fmean(minutes) if minutes else None, seeds)


def differences(runs: Sequence[Run]) -> list[Difference]:
    """The first training against each of the others that has two of its seeds or more."""
    first, *others = runs
    pairs = [Difference(first, other) for other in others]
    return [pair for pair in pairs if len(pair.values) > 1]


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
    curves = [_curve(run) for run in runs]
    pairs = [dict(name=pair.run.name, other=pair.other.name, target=pair.other.final.value, epoch=pair.epoch,
                  of_epochs=pair.other.final.epoch, ratio=pair.ratio) for pair in compare(runs)]
    content = dict(metric=metric, runs=curves, pairs=pairs)
    if pairs := differences(runs):
        content['differences'] = [
            dict(name=pair.run.name, other=pair.other.name, seeds=pair.values, mean=fmean(pair.values.values()),
                 deviation=stdev(pair.values.values())) for pair in pairs]
    return json.dumps(content, indent=2) + '\n'


def _curve(run: Run) -> dict:
    curve = run._asdict() | dict(best=run.best._asdict(), final=run.final._asdict())
    seeds = curve.pop('seeds')
    if not seeds:
        return curve
    return curve | dict(seeds={seed: dict(values) for seed, values in seeds.items()},
                        deviations={epoch: run.deviation(epoch) for epoch in run.values})


def to_markdown(runs: Sequence[Run], metric: str) -> str:
    """A table of epochs x trainings, of trainings x epochs if there are more than `MAX_COLUMNS`, and below it which
    training reaches which."""
    label = metric_label(metric)
    rows = [[epoch, *(run.cell(epoch) for run in runs)] for epoch in sorted(set().union(*(run.values for run in runs)))]
    for name in ('best', 'final'):
        epochs = [getattr(run, name).epoch for run in runs]
        rows.append([name, *(f'{run.cell(epoch)} (epoch {epoch})' for run, epoch in zip(runs, epochs))])
    minutes = ['' if run.minutes_per_epoch is None else f'{run.minutes_per_epoch:.2f}' for run in runs]
    if any(minutes):
        rows.append(['minutes per epoch of training', *minutes])
    rows.insert(0, [f'{label} after epoch', *(run.name for run in runs)])
    if len(runs) > MAX_COLUMNS:
        rows = [list(row) for row in zip(*rows)]
    table = tabulate(rows[1:], rows[0], tablefmt='pipe', disable_numparse=True,
                     colalign=('left', *('right' for _ in rows[0][1:])))
    below = [f'- {pair.sentence(label)}' for pair in differences(runs)]
    below += [f'- {pair.sentence(label)}' for pair in compare(runs)]
    below += [f'- {run.name} has been validated up to epoch {run.final.epoch} of {run.max_epochs}: "final" means that '
              'one' for run in runs if run.final.epoch < run.max_epochs]
    below += [f'- {run.name}: {len(run.seeds)} seeds, {", ".join(map(str, run.seeds))}; final {label} '
              f'{", ".join(f"{curve[run.final.epoch]:.3f}" for curve in run.seeds.values())}'
              for run in runs if run.seeds]
    return '\n'.join([f'# {metric} over epochs', '', table, '', *below]) + '\n'
