"""The run that an earlier command began in the same folder, and goes on with `--resume`."""
import os
from pathlib import Path
from typing import Any

from ..annotations.formats import PreparedData, prepared_before
from ..launch import load_config
from .settings import Settings, option
from .weights import NONE

# Settings that the config of a run has, and its key of each.
WRITTEN = dict(image_size='image_size', epochs='max_epochs', batch_size='batch_size', lr='lr', workers='num_workers',
               weights='load_from')


def check_earlier_run(config: Path, settings: Settings, resume: bool) -> None:
    """Raise a ValueError if a folder has a run that should not go on, or not with these settings."""
    if not config.is_file():
        return
    if not resume:
        raise ValueError(f'{config.parent} has a run already: --resume goes on with it, --work-dir begins another one')
    cfg = load_config(str(config))
    changed = {option(name): f'{key} = {cfg.get(key)!r}' for name, key in WRITTEN.items()
               if not _agrees(getattr(settings, name), cfg.get(key), config.parent)}
    if changed:
        raise ValueError(f'--resume goes on with {config} as it is, which says {", ".join(changed.values())}: leave '
                         f'{", ".join(changed)} out, or change the file')


def data_of_earlier_run(folder: Path, source: Path, settings: Settings) -> PreparedData | None:
    """The data that a run began with, also if the source has changed since, which is said; None if there is none.

    Raises:
        ValueError: The run began with other data, or options with which they would be divided otherwise.
    """
    before = prepared_before(folder)
    if before is None or not before.is_complete():
        return None
    given = {option(name): (before.options[name], getattr(settings, name))
             for name in ('data_format', 'val_fraction', 'seed')}
    given['the data'] = before.options['source'], str(source.absolute())
    for name, (then, now) in given.items():
        if now not in (None, then):
            raise ValueError(f'{folder} began with {name} {then}, not {now}: --work-dir begins another run')
    if before.has_changed():
        print(f'{source} has changed since this run began, which goes on with the images and boxes of then. '
              '--work-dir begins another run, with those of now')
    return before.data


def _agrees(value: Any, written: Any, folder: Path) -> bool:
    """Whether a setting is what the config says; None is any."""
    if value is None or not isinstance(value, str):
        return value in (None, written)
    if value == NONE:
        return written is None
    file = Path(value).expanduser()
    return written is not None and Path(written).absolute() in (Path(os.path.abspath(file)),
                                                                (folder / 'weights.pth').absolute())
