"""What a position of an image has to do with the atoms of a dictionary, and which of them to look at."""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mmdet_ext.models.layers import RetrieverDictionary

from .capture import Capture
from .training_set import Provenance


@dataclass
class Query:
    """A position of an image, and what its feature has to do with the atoms.

    Args:
        point: (x, y) in pixels of the image.
        cell: (row, column) of the feature there.
        correlations: (N, ) cosine with the atoms, by what it is compared with ('atom', 'folded atom'); the last is
            what the scatter plot shows.
        coefficients: (N, ) c' there.
        groups: Numbers of the atoms to show, by title: one or two groups, drawn in vermillion and in blue.
        notes: Sentences to stand above the figure.
    """
    point: tuple[float, float]
    cell: tuple[int, int]
    correlations: Mapping[str, Tensor]
    coefficients: Tensor
    groups: Mapping[str, Sequence[int]]
    notes: Sequence[str] = ()


def query_at(capture: Capture, rd: RetrieverDictionary, point: tuple[float, float], provenance: Provenance, *,
             show: Sequence[int] | None = None, top: int = 3, folded: bool = False) -> Query:
    """Correlations and coefficients at a position, and the atoms to look at.

    Args:
        capture: The image and what the dictionary did with it.
        rd: The dictionary.
        point: (x, y) in pixels of the image; ValueError if it is outside of it.
        provenance: Where the atoms come from.
        show: Numbers of the atoms to look at; None for the `top` of each kind that `select_atoms` chooses.
        folded: Whether to correlate also with the folded atoms, and to choose by that.
    """
    row, column = capture.grid.cell_at(*point)
    feature, coefficients = capture.before[:, row, column], capture.coefficients[:, row, column]
    cosines = dict(atom=correlations(feature, rd.atoms.detach().cpu().float()))
    if folded:
        cosines['folded atom'] = correlations(feature, folded_atoms(rd).cpu().float())
    notes = [provenance.note]
    if provenance.foreign:
        notes.append(f'The atoms were made from {provenance.foreign}: their correlations with features of the detector '
                     'mean nothing, only the coefficients do.')
    if show is not None:
        groups = {'chosen atoms': list(show)}
    elif provenance.foreign:
        groups = select_atoms(coefficients, None, top)
        notes.append("Related atoms: the highest coefficient c'. Unrelated atoms: c' nearest to 0.")
    else:
        groups = select_atoms(coefficients, list(cosines.values())[-1], top)
        notes.append("Related atoms: the highest product of correlation and coefficient c'. Unrelated atoms: c' "
                     'nearest to 0, among the half of least correlation.')
    return Query(point, (row, column), cosines, coefficients, groups, notes)


def correlations(feature: Tensor, atoms: Tensor) -> Tensor:
    """Cosines of one feature (C, ) with the atoms (N, C): (N, )."""
    return F.cosine_similarity(feature[None], atoms, dim=1)


@torch.no_grad()
def folded_atoms(rd: RetrieverDictionary) -> Tensor:
    """(N, C): the atoms with D's batch norm folded into them, without its constant vector."""
    if not rd.dictionary.with_norm:
        return rd.atoms
    norm = rd.dictionary.norm
    return rd.atoms * (norm.weight / (norm.running_var + norm.eps).sqrt())


def select_atoms(coefficients: Tensor, cosines: Tensor | None, count: int) -> dict[str, list[int]]:
    """Numbers of `count` 'related atoms' and as many 'unrelated atoms', as the paper's figure 4 has them.

    Related are those with the highest product of correlation and coefficient, both positive. Unrelated are those with
    the smallest magnitude of coefficient among the half whose correlation is the smallest in magnitude.

    Args:
        coefficients: (N, ) c' at a position.
        cosines: (N, ) correlations there; None if they mean nothing, and the coefficients alone decide.
        count: Atoms of each kind at most.
    """
    score, candidates = coefficients.clamp(min=0), torch.arange(len(coefficients))
    if cosines is not None:
        score = score * cosines.clamp(min=0)
        candidates = cosines.abs().argsort(stable=True)[:max(1, len(coefficients) // 2)]
    related = [index for index in score.argsort(descending=True, stable=True)[:count].tolist() if score[index] > 0]
    order = candidates[coefficients[candidates].abs().argsort(stable=True)]
    unrelated = [index for index in order.tolist() if index not in related][:count]
    return {'related atoms': related, 'unrelated atoms': unrelated}
