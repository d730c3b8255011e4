"""Which models the page shows: those named on the command line, or the runs below a folder."""
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..model_arguments import kind_of, split_arguments
from .models import Source

MOST_RUNS = 8


def parse_sources(words: Sequence[str]) -> list[Source]:
    """`CONFIG CHECKPOINT` or an exported file, any number of times.

    Raises:
        OSError: A file is missing.
        ValueError: The words are no models.
    """
    rest, pairs = list(words), []
    while rest:
        alone = kind_of(rest[0]) == 'an exported model'  # a config may follow, to be compared with it
        model, checkpoint, behind = split_arguments(rest[:1] if alone else rest)
        pairs.append((model, checkpoint))
        rest = rest[1:] if alone else behind
    for file, kind in ((file, kind) for pair in pairs for file, kind in zip(pair, ('config', 'checkpoint')) if file):
        if '://' not in file and not Path(file).exists():
            raise FileNotFoundError(f'there is no {kind} {file} (seen from {Path.cwd()})')
    return [Source(*pair, name) for pair, name in zip(pairs, _names(pairs), strict=True)]


def find_runs(folder: Path) -> list[Source]:
    """The runs of training below a folder, up to two folders deep, the newest first if there are more than `MOST_RUNS`.

    A run is a folder with `last_checkpoint` and one config. Its best checkpoint is taken if there is one.
    """
    runs = []
    for last in sorted([*folder.glob('*/last_checkpoint'), *folder.glob('*/*/last_checkpoint')]):
        configs = sorted(last.parent.glob('*.py'))
        best = sorted(last.parent.glob('best_*.pth'), key=os.path.getmtime)
        # the file names a path as seen when the run began: the folder may have been moved since
        checkpoint = best[-1] if best else last.parent / Path(last.read_text(encoding='utf-8').strip()).name
        if len(configs) == 1 and checkpoint.is_file():
            name = ' '.join(part.removeprefix('demo_') for part in last.parent.relative_to(folder).parts)
            runs.append(Source(str(configs[0]), str(checkpoint), name if name != 'demo' else configs[0].stem))
    newest = sorted(runs, key=lambda run: -os.path.getmtime(run.checkpoint))[:MOST_RUNS]
    return [run for run in runs if run in newest]


def _names(pairs: Iterable[tuple[str, str | None]]) -> list[str]:
    """The stem of each config, or of each checkpoint where configs are the same; numbered where these are too."""
    pairs = list(pairs)
    stems = [Path(config).stem for config, _ in pairs]
    names = [stem if stems.count(stem) == 1 or checkpoint is None else f'{stem}, {Path(checkpoint).stem}'
             for stem, (_, checkpoint) in zip(stems, pairs)]
    return [name if names.count(name) == 1 else f'{name} ({names[:index].count(name) + 1})'
            for index, name in enumerate(names)]
