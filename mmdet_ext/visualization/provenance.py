"""What the atoms of a trained model stand for: the file that they began from, or where their coefficients are high."""
import os
from pathlib import Path
from typing import Any

import torch

from mmdet_ext.models.layers import Atoms, RetrieverDictionary, load_atoms

from .capture import Capture


class HighestCoefficients:
    """For each atom the cells where its coefficient c' is the highest: one of each picture at most.

    Args:
        count: Cells per atom.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.pictures = 0
        self._found: list[list[dict[str, Any]]] = []

    def update(self, capture: Capture) -> None:
        """Look at one picture; cells in its padding are no place for an atom."""
        rows, columns = capture.grid.cells
        hidden = capture.coefficients.masked_fill(~capture.grid.inside(), -torch.inf)
        values, cells = hidden.flatten(1).max(dim=1)
        self._found = self._found or [[] for _ in values]
        for found, value, cell in zip(self._found, values.tolist(), cells.tolist(), strict=True):
            found.append(dict(source='vision', image=str(capture.path), coefficient=value,
                              box=capture.grid.box_of(cell // columns, cell % columns)))
            found.sort(key=lambda sample: -sample['coefficient'])
            del found[self.count:]
        self.pictures += 1

    def nearest(self) -> list[list[dict[str, Any]]]:
        """As `Atoms.nearest`, with `coefficient` in the place of `similarity`."""
        return self._found


def atoms_of(rd: RetrieverDictionary, path: str | os.PathLike | None) -> Atoms | None:
    """The atoms file of a dictionary: `path`, or the one that the config names, if it is still there.

    Raises:
        FileNotFoundError: If there is no file at `path`.
        ValueError: If it holds another number or width of atoms than the model.
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


def sources(atoms: Atoms) -> set[str]:
    """Where the atoms come from: some of 'vision', 'clip', 'text', 'file'."""
    return {sample['source'] for samples in atoms.nearest for sample in samples}
