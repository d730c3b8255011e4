"""Pictures of the training set, to find samples of the atoms on and to count how much they are used."""
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmengine.config import Config
from tqdm import tqdm

from mmdet_ext.dictionary.pictures import training_pictures
from mmdet_ext.models.layers import Atoms

from .capture import Probe
from .provenance import HighestCoefficients, sources
from .query_figure import SAMPLES
from .usage import Usage


@dataclass(frozen=True)
class Provenance:
    """Samples of the atoms.

    Args:
        nearest: As `Atoms.nearest`; None if nothing is known.
        note: Where they come from, a sentence.
        foreign: Sources of the atoms other than pictures seen by a detector, in words; '' if there is none. The atoms
            then began in another space than the features, and their correlations mean nothing.
    """
    nearest: Sequence[Sequence[dict[str, Any]]] | None
    note: str
    foreign: str = ''


def look_at_training_set(cfg: Config, probe: Probe, atoms: Atoms | None, provenance_images: int,
                         usage_images: int | None) -> tuple[Provenance, Usage | None, list[str]]:
    """Find samples of the atoms and count their usage on pictures of the config's training set.

    Args:
        cfg: Names the training set, which is read only if it is needed.
        probe: The model.
        atoms: Of the file that the model began from, if it is known.
        provenance_images: How many pictures to look for samples on; 0 for those of `atoms`.
        usage_images: How many pictures to count the usage on; None for no usage.

    Returns:
        The samples, the usage, and a line for each picture that could not be read.

    Raises:
        FileNotFoundError: If the training set is needed and not there.
        ValueError: If none of its pictures can be read for the usage.
    """
    highest, usage = HighestCoefficients(SAMPLES), None if usage_images is None else Usage()
    observers = [(highest, provenance_images), *([] if usage is None else [(usage, usage_images)])]
    most = max(count for _, count in observers)
    try:
        pictures = some_training_pictures(cfg, most) if most else ()
    except OSError as error:
        raise FileNotFoundError(f'{cfg.filename}: its training set is needed for samples of the atoms '
                                f'(--provenance-images 0 does without) or for their usage: {error}') from error
    skipped = survey(probe, pictures, observers)
    if usage is not None and not usage.pictures:
        raise ValueError(f'{cfg.filename}: none of the pictures of the training set can be read: '
                         f'{"; ".join(skipped[:2])}')
    names = dict(clip='CLIP', text='texts')
    foreign = ' and '.join(names[source] for source in sorted(sources(atoms) & set(names))) if atoms else ''
    if highest.pictures:
        note = f"Samples: where c' is the highest on {highest.pictures} training pictures."
        return Provenance(highest.nearest(), note, foreign), usage, skipped
    if atoms is not None:
        note = 'Samples: the nearest to each atom when the dictionary was built.'
        return Provenance(atoms.nearest, note, foreign), usage, skipped
    return Provenance(None, 'No samples: neither an atoms file nor training pictures.'), usage, skipped


def survey(probe: Probe, pictures: Sequence[str],
           observers: Sequence[tuple[Usage | HighestCoefficients, int]]) -> list[str]:
    """Show pictures to the model, the first n of them to each observer with its n; a progress bar tells how far it is.

    Returns:
        What could not be read: a line each, which names the file.
    """
    skipped = []
    for number, path in enumerate(tqdm(pictures, unit='picture', desc='training pictures', disable=None)):
        try:
            capture = probe(path)
        except (OSError, ValueError) as error:
            skipped.append(str(error))
            continue
        for observer, count in observers:
            if number < count:
                observer.update(capture)
    return skipped


def some_training_pictures(cfg: Config, count: int) -> list[str]:
    """Files of `count` pictures of the config's training set, of all if it has fewer, in a random but fixed order."""
    dataset = training_pictures(cfg)
    chosen = np.random.default_rng(0).permutation(len(dataset))[:count]
    return [dataset.get_data_info(index)['img_path'] for index in chosen.tolist()]
