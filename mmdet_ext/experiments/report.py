"""The report of a comparison: its table, its figures in json, and its learning curves."""
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..files import replace_file
from .comparison import Run, mean_run, metric_label, to_json, to_markdown
from .learning_curves import draw_learning_curves
from .logs import TrainingLog
from .trainings import Training


def write_comparison(trainings: Sequence[Training], out: Path, metric: str, partial: bool) -> None:
    """Print and write `out`/comparison.md, .json and .png: the first training against each of the others.

    The trainings of one config with several seeds count as one, their mean. With `partial`, trainings without a
    validation are left out.

    Raises:
        ValueError: If there is no validation, none with this metric, or none that the seeds of a config share.
    """
    curves: dict[str, dict[Training, TrainingLog]] = {}
    for training in trainings:
        log = training.log()
        if log.curve(metric):
            curves.setdefault(training.name, {})[training] = log
        elif partial:
            print(f'{training.title}: no validation yet, left out')
        else:
            raise ValueError(f'{training.work_dir}: no validation in the logs')
    if not curves:
        raise ValueError(f'{out}: no validation in the logs of {", ".join(training.title for training in trainings)}')
    runs = [_run(logs, metric) for logs in curves.values()]
    table = to_markdown(runs, metric)
    print(f'\n{table}')
    for suffix, text in (('md', f'{table}\n![](comparison.png)\n'), ('json', to_json(runs, metric))):
        with replace_file(out / f'comparison.{suffix}') as file:
            file.write(text.encode())
    draw_learning_curves(runs, out / 'comparison.png', metric_label(metric))
    print(f'wrote {out / "comparison.md"}, .json and .png')


def _run(logs: Mapping[Training, TrainingLog], metric: str) -> Run:
    """The trainings of one config."""
    (first, log), *_ = logs.items()
    if first.seed is None:
        return Run(first.name, log.curve(metric), first.max_epochs, log.minutes_per_epoch)
    return mean_run(first.name, {training.seed: log.curve(metric) for training, log in logs.items()}, first.max_epochs,
                    [log.minutes_per_epoch for log in logs.values()])
