"""The report of a comparison: its table, its figures in json, and its learning curves."""
from collections.abc import Sequence
from pathlib import Path

from ..files import replace_file
from .comparison import Run, metric_label, to_json, to_markdown
from .learning_curves import draw_learning_curves
from .trainings import Training


def write_comparison(trainings: Sequence[Training], out: Path, metric: str, partial: bool) -> None:
    """Print and write `out`/comparison.md, .json and .png: the first training against each of the others.

    With `partial`, trainings without a validation are left out.

    Raises:
        ValueError: If there is no validation, or none with this metric.
    """
    runs = []
    for training in trainings:
        log = training.log()
        if values := log.curve(metric):
            runs.append(Run(training.name, values, training.max_epochs, log.minutes_per_epoch))
        elif partial:
            print(f'{training.name}: no validation yet, left out')
        else:
            raise ValueError(f'{training.work_dir}: no validation in the logs')
    if not runs:
        raise ValueError(f'{out}: no validation in the logs of {", ".join(training.name for training in trainings)}')
    table = to_markdown(runs, metric)
    print(f'\n{table}')
    for suffix, text in (('md', f'{table}\n![](comparison.png)\n'), ('json', to_json(runs, metric))):
        with replace_file(out / f'comparison.{suffix}') as file:
            file.write(text.encode())
    draw_learning_curves(runs, out / 'comparison.png', metric_label(metric))
    print(f'wrote {out / "comparison.md"}, .json and .png')
