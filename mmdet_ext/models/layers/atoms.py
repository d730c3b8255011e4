"""The file of a dictionary: its atoms and the samples that they come from; and the configs that use such files.

YOLO-RD, https://arxiv.org/abs/2410.15346.
"""
import os
import pickle
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...files import replace_file

FORMAT = 'mmdet_ext atoms 1'


@dataclass
class Atoms:
    """N atoms of width C, and the samples that they come from, as `tools/build_dictionary.py` writes them.

    Args:
        vectors: (N, C) float32, rows of unit length.
        counts: (N, ) int64, how many samples each atom stands for.
        nearest: For each atom the samples nearest to it, the nearest first. A sample is a dict with `source` ('vision',
            'clip', 'text' or 'file') and `similarity` (cosine to the atom), and
            from images `image` (path) and `box` (x1, y1, x2, y2 in pixels of that image),
            from texts `text`, `file` and `line` (from 1), from a matrix `file` and `row` (from 0).
        projections: How features of each source got the width C: a dict with `source`, `kind` ('identity', 'pca' or
            'pad') and, unless it is the identity, `mean` (d, ) and `matrix` (d, C). A unit feature f of width d became
            normalise((f - mean) @ matrix).
        report: Statistics of the builder: numbers, strings and lists of them.
        arguments: Arguments of the builder.
    """
    vectors: Tensor
    counts: Tensor
    nearest: list[list[dict[str, Any]]]
    projections: list[dict[str, Any]] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)

    def save(self, path: str | os.PathLike) -> None:
        """Write the file. An existing one is replaced only when the new one is complete."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(path) as file:
            torch.save(dict(format=FORMAT, **asdict(self)), file)


def load_atoms(path: str | os.PathLike) -> Atoms:
    """Read a file of `Atoms.save`, on the CPU; nothing in it is run.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is another kind of file, or its parts do not fit each other.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'there is no atoms file {path} (seen from {Path.cwd()}): '
                                'tools/build_dictionary.py makes one')
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
    except (RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise ValueError(f'{path} is no atoms file, or only part of one ({path.stat().st_size} bytes)') from error
    if not isinstance(content, dict) or content.get('format') != FORMAT:
        raise ValueError(f'{path} is no atoms file: its format should be {FORMAT!r} (tools/build_dictionary.py file '
                         'makes one of any matrix)')
    atoms = Atoms(**{key: value for key, value in content.items() if key != 'format'})
    if atoms.vectors.ndim != 2 or not len(atoms.vectors) == len(atoms.counts) == len(atoms.nearest):
        raise ValueError(f'{path}: vectors of shape {tuple(atoms.vectors.shape)}, {len(atoms.counts)} counts and '
                         f'{len(atoms.nearest)} lists of nearest samples do not fit each other')
    return atoms


def rd_options(node: Any) -> list[dict]:
    """All dicts of options of a `RetrieverDictionary` in a config: values of the key `rd`, and configs of an
    `RDNeck`."""
    if isinstance(node, (list, tuple)):
        return [options for child in node for options in rd_options(child)]
    if not isinstance(node, dict):
        return []
    options = [node] if node.get('type') == 'RDNeck' else []
    for key, child in node.items():
        options += [child] if key == 'rd' and isinstance(child, dict) else rd_options(child)
    return options


def forget_atoms_files(model_cfg: dict) -> None:
    """Edit a model's config so that it builds without its atoms files, for a checkpoint that holds the atoms."""
    for options in rd_options(model_cfg):
        atoms = options.pop('atoms', None)
        if atoms is not None and 'num_atoms' not in options:
            options['num_atoms'] = len(load_atoms(atoms).vectors)
        options.pop('init_g', None)
