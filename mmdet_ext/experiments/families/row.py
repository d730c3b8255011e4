"""What is known about one config with one set of operators, and the file of such rows."""
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ...files import append

COMPILED, STAND_IN = 'compiled', 'stand-in'


@dataclass
class Row:
    """Args:
        config: FAMILY/NAME.py.
        operators: 'compiled' or 'stand-in'.
        error: First line of what went wrong; '' if it works.
        fault: Whose fault an error is: 'operator', 'package' (one is missing), 'mmdet' (itself, or with the installed
            torch, transformers or numpy), 'weights' (random ones), 'crash' or 'no answer'.
        location: File and line that the error came from.
        note: What the model does not do, although it works.
        pipeline: The error of the first step of its data pipelines that cannot be built.
        called: mmcv's operators that the model called.
        train_seconds: Of one training step: losses, gradients, optimizer.
        predict_seconds: Of one prediction.
        losses: All losses of the first step.
        gradients: Norm of the gradient of each part of the model.
        predictions: Of each image, boxes as (x1, y1, x2, y2, score, label), the best first, or other figures.
    """
    config: str
    operators: str
    error: str = ''
    fault: str = ''
    location: str = ''
    note: str = ''
    pipeline: str = ''
    called: list[str] = field(default_factory=list)
    train_seconds: float | None = None
    predict_seconds: float | None = None
    losses: dict[str, float] = field(default_factory=dict)
    gradients: dict[str, float] = field(default_factory=dict)
    predictions: list[list[list[float]]] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str]:
        return self.config, self.operators


def write_row(file: Path, row: Row) -> None:
    """Add a row to the end of a file."""
    append(file, (json.dumps(asdict(row)) + '\n').encode())


def read_lines(file: Path) -> list[Row]:
    """All rows of a file, in their order."""
    lines = file.read_text(encoding='utf-8').splitlines() if file.is_file() else ()
    return [Row(**json.loads(line)) for line in lines]


def read_rows(file: Path) -> dict[tuple[str, str], Row]:
    """The rows of a file by config and operators; of several of the same the last counts."""
    return {row.key: row for row in read_lines(file)}
