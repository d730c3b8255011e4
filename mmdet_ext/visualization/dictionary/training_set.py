"""What the atoms of a trained model stand for: the file that they began from, or where their coefficients are high."""
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor
from tqdm import tqdm

from mmdet_ext.dictionary.sources.image_set import training_images
from mmdet_ext.models.layers import Atoms, RetrieverDictionary, load_atoms

from .capture import Capture
from .plots import usage_on

SAMPLES = 4  # of an atom
_FOREIGN = dict(clip='CLIP', text='texts')  # sources of atoms in another space than a detector's features


@dataclass(frozen=True)
class Provenance:
    """Samples of the atoms.

    Args:
        nearest: As `Atoms.nearest`; None if nothing is known.
        note: Where they come from, a sentence.
        foreign: Sources of the atoms other than images seen by a detector, in words; '' if there is none. The atoms
            then began in another space than the features, and their correlations mean nothing.
    """
    nearest: Sequence[Sequence[dict[str, Any]]] | None
    note: str
    foreign: str = ''


def highest_cells(capture: Capture) -> list[dict[str, Any]]:
    """For each atom the cell of an image, without padding, where its coefficient c' is the highest.

    It is described as in `Atoms.nearest`, with `coefficient` in the place of `similarity`.
    """
    columns = capture.grid.cells[1]
    hidden = capture.coefficients.masked_fill(~capture.grid.inside(), -torch.inf)
    values, cells = hidden.flatten(1).max(dim=1)
    return [dict(source='vision', image=str(capture.path), coefficient=value, box=capture.grid.box_of(
        *divmod(cell, columns))) for value, cell in zip(values.tolist(), cells.tolist(), strict=True)]


def highest_of(cells: Sequence[Sequence[dict[str, Any]]], count: int = SAMPLES) -> list[list[dict[str, Any]]]:
    """The `highest_cells` of several images -> for each atom the `count` highest of them, one of each image."""
    return [sorted(samples, key=lambda sample: -sample['coefficient'])[:count] for samples in zip(*cells, strict=True)]


def atoms_of(rd: RetrieverDictionary, path: str | os.PathLike | None) -> Atoms | None:
    """The atoms file of a dictionary: `path`, or the one that the config names, if it is still there.

    FileNotFoundError if there is no file at `path`, ValueError if its number or width of atoms is not the model's.
    """
    if path is None:
        if rd.atoms_file is None or not Path(rd.atoms_file).is_file():
            return None
        path = rd.atoms_file
    atoms = load_atoms(path)
    if atoms.vectors.shape != rd.atoms.shape:
        raise ValueError(f'{path} has {len(atoms.vectors)} atoms of width {atoms.vectors.shape[1]}, and the model has '
                         f'{rd.num_atoms} of width {rd.atoms.shape[1]}')
    return atoms


def look_at_training_set(cfg: Config, probe: Callable[[str], Capture], atoms: Atoms | None, provenance_images: int,
                         usage_images: int) -> tuple[Provenance, list[Tensor], list[str]]:
    """Find samples of the atoms and count their usage on images of the config's training set.

    Args:
        cfg: Names the training set, which is read only if it is needed; FileNotFoundError if it is not there then.
        probe: Shows an image to the model.
        atoms: Of the file that the model began from, if it is known.
        provenance_images: How many images to look for samples on; 0 for those of `atoms`.
        usage_images: How many images to count the usage on; ValueError if none of them can be read.

    Returns:
        The samples, the usage on each image, and a line for each image that could not be read.
    """
    cells, usages, skipped = [], [], []
    most = max(provenance_images, usage_images)
    try:
        images = some_training_images(cfg, most) if most else ()
    except OSError as error:
        raise FileNotFoundError(f'{cfg.filename}: its training set is needed for samples of the atoms '
                                f'(--provenance-images 0 does without) or for their usage: {error}') from error
    for number, path in enumerate(tqdm(images, unit='image', desc='training images', disable=None)):
        try:
            capture = probe(path)
        except (OSError, ValueError) as error:
            skipped.append(str(error))
            continue
        if number < provenance_images:
            cells.append(highest_cells(capture))
        if number < usage_images:
            usages.append(usage_on(capture))
    if usage_images and not usages:
        raise ValueError(f'{cfg.filename}: none of the images of the training set can be read: '
                         f'{"; ".join(skipped[:2])}')
    sources = {sample['source'] for samples in (atoms.nearest if atoms else ()) for sample in samples}
    foreign = ' and '.join(_FOREIGN[source] for source in sorted(sources & set(_FOREIGN)))
    nearest, note = None, 'No samples: neither an atoms file nor training images.'
    if cells:
        nearest, note = highest_of(cells), f"Samples: where c' is the highest on {len(cells)} training images."
    elif atoms is not None:
        nearest, note = atoms.nearest, 'Samples: the nearest to each atom when the dictionary was built.'
    return Provenance(nearest, note, foreign), usages, skipped


def some_training_images(cfg: Config, count: int) -> list[str]:
    """Files of `count` images of the config's training set, of all if it has fewer, in a random but fixed order."""
    dataset = training_images(cfg)
    chosen = np.random.default_rng(0).permutation(len(dataset))[:count]
    return [dataset.get_data_info(index)['img_path'] for index in chosen.tolist()]
