"""What a user of `finetune` may set."""
from dataclasses import dataclass
from pathlib import Path

from ..annotations.formats.recognise import FORMATS
from .weights import NONE

EPOCHS = 100
DIVISION = dict(val_fraction=0.2, seed=0)


@dataclass(frozen=True)
class Settings:
    """What a user may set; None: it is chosen.

    Attributes:
        image_size: Side in pixels.
        epochs: Length of the training; None: 100.
        batch_size: Images in a batch.
        lr: Learning rate.
        weights: File to begin with, or 'none' for random weights everywhere.
        workers: Data workers.
        work_dir: Folder of the run; None: ``work_dirs/DATA_MODEL``.
        data_format: See `prepare_data`, as `val_fraction` and `seed`; None for these: 0.2 and 0.
        amp: Whether to train in mixed precision.
        report: Whether to write the report at the end.
        cfg_options: Values that replace the config's in this run, by dotted key.

    Raises:
        ValueError, OSError: For a value that cannot be used, or a file of weights that is not there; names the option.
    """
    image_size: int | None = None
    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    weights: str | None = None
    workers: int | None = None
    work_dir: Path | None = None
    data_format: str | None = None
    val_fraction: float | None = None
    seed: int | None = None
    amp: bool = False
    report: bool = True
    cfg_options: dict | None = None

    def __post_init__(self) -> None:
        for name, least in dict(image_size=1, epochs=1, batch_size=1, workers=0, seed=0).items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f'{option(name)} should be at least {least}, got {value}')
        if self.lr is not None and not self.lr > 0:
            raise ValueError(f'--lr should be above 0, got {self.lr}')
        if self.val_fraction is not None and not 0 < self.val_fraction < 1:
            raise ValueError(f'--val-fraction should be above 0 and below 1, got {self.val_fraction}')
        if self.data_format not in (None, *FORMATS):
            raise ValueError(f'--format should be one of {", ".join(FORMATS)}, got {self.data_format!r}')
        if self.weights not in (None, NONE) and not Path(self.weights).expanduser().is_file():
            raise FileNotFoundError(f'--weights: there is no file {self.weights}')


def option(name: str) -> str:
    """The option of the command line that sets an attribute."""
    return '--format' if name == 'data_format' else f'--{name.replace("_", "-")}'
