"""The table of a benchmark of models: one row for each model and form."""
import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from tabulate import tabulate

from ..files import replace_file

TITLES = dict(model='model', form='form', precision='precision', metric='metric', value='value',
              milliseconds='ms, batch 1', best_batch='best batch', best_milliseconds='ms, best batch',
              mebibytes='MiB', parameters='parameters', problem='problem')


@dataclass(frozen=True)
class SpeedRow:
    """One model in one form. What was not measured is None; `problem` says why.

    Attributes:
        model: Name of the config.
        form: 'eager', 'deployed', a format, or the name of a file.
        precision: 'fp32', 'fp16' or 'int8'.
        metric: Name of the metric.
        value: Its value.
        milliseconds: For one image, from normalised pixels to detections.
        best_batch: The number of images of a call at which an image takes the least time.
        best_milliseconds: This time.
        mebibytes: Size of the file, or of the weights in Python.
        parameters: Their number, of a detector in Python.
        problem: Why the form could not be measured, or ''.
    """
    model: str
    form: str
    precision: str | None = None
    metric: str | None = None
    value: float | None = None
    milliseconds: float | None = None
    best_batch: int | None = None
    best_milliseconds: float | None = None
    mebibytes: float | None = None
    parameters: int | None = None
    problem: str = ''


def to_markdown(rows: Sequence[SpeedRow]) -> str:
    formats = dict(value='{:.4f}', milliseconds='{:.1f}', best_milliseconds='{:.1f}', mebibytes='{:.1f}',
                   parameters='{:,}')
    cells = [['' if value is None else formats.get(name, '{}').format(value) for name, value in asdict(row).items()]
             for row in rows]
    text = ('left', 'left', 'left', 'left')
    aligned = [*text, *('right' for _ in range(len(TITLES) - len(text) - 1)), 'left']
    return tabulate(cells, list(TITLES.values()), tablefmt='pipe', disable_numparse=True, colalign=aligned) + '\n'


def to_csv(rows: Sequence[SpeedRow]) -> str:
    """The same with all digits, under the names of the fields."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [entry.name for entry in fields(SpeedRow)], lineterminator='\n')
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue()


def write_table(rows: Sequence[SpeedRow], out: Path) -> None:
    """Write `out`/speed.md and speed.csv."""
    for suffix, text in (('md', to_markdown(rows)), ('csv', to_csv(rows))):
        with replace_file(out / f'speed.{suffix}') as file:
            file.write(text.encode())
