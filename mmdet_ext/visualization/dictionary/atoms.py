"""Atoms of a dictionary compared with a feature and with each other, and which of them to look at."""
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mmdet_ext.models.layers import RetrieverDictionary


class Selection(NamedTuple):
    """Numbers of atoms to look at: those that a position is made of, and those that have nothing to do with it."""
    related: list[int]
    unrelated: list[int]


def correlations(feature: Tensor, atoms: Tensor) -> Tensor:
    """Cosines of one feature (C, ) with the atoms (N, C): (N, )."""
    return F.cosine_similarity(feature[None], atoms, dim=1)


@torch.no_grad()
def folded_atoms(rd: RetrieverDictionary) -> Tensor:
    """(N, C): the atoms with D's batch norm folded into them, without its constant vector."""
    atoms = rd.atoms
    if not rd.dictionary.with_norm:
        return atoms
    norm = rd.dictionary.norm
    return atoms * (norm.weight / (norm.running_var + norm.eps).sqrt())


def gram(atoms: Tensor) -> Tensor:
    """Cosine of each pair of atoms: (N, C) -> (N, N)."""
    units = F.normalize(atoms, dim=1)
    return units @ units.T


def select_atoms(coefficients: Tensor, related_by: Tensor | None, count: int) -> Selection:
    """Choose `count` atoms of each kind, as the paper's figure 4 does.

    Related are those with the highest product of correlation and coefficient, both positive. Unrelated are those with
    the smallest magnitude of coefficient among the half whose correlation is the smallest in magnitude.

    Args:
        coefficients: (N, ) c' at a position.
        related_by: (N, ) correlations there; None if they mean nothing, and the coefficients alone decide.
        count: Atoms of each kind, at least 1; fewer are returned where there are not as many.
    """
    score, candidates = coefficients.clamp(min=0), torch.arange(len(coefficients))
    if related_by is not None:
        score = score * related_by.clamp(min=0)
        candidates = related_by.abs().argsort(stable=True)[:max(1, len(coefficients) // 2)]
    related = [index for index in score.argsort(descending=True, stable=True)[:count].tolist() if score[index] > 0]
    order = candidates[coefficients[candidates].abs().argsort(stable=True)]
    return Selection(related, [index for index in order.tolist() if index not in related][:count])
