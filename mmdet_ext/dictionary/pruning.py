"""Fewer atoms: which stay, and a Retriever-Dictionary of these alone (YOLO-RD, https://arxiv.org/abs/2410.15346)."""
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mmdet_ext.models.layers import RetrieverDictionary

METHODS = ('usage', 'random', 'clustering')


def number_to_keep(keep: float, num_atoms: int) -> int:
    """How many of N atoms stay: a share `keep` in (0, 1] of them, or `keep` itself, 2 to N; else ValueError."""
    if not keep > 0 or (keep > 1 and not float(keep).is_integer()):
        raise ValueError(f'keep should be a fraction in (0, 1] or a whole number of atoms, got {keep}')
    number = int(keep) if keep > 1 else round(keep * num_atoms)
    if not 2 <= number <= num_atoms:
        raise ValueError(f'keep should leave 2 to all {num_atoms} atoms of a dictionary, got {keep}')
    return number


def choose_atoms(atoms: Tensor, usage: Tensor, number: int, by: str = 'usage', seed: int = 0) -> Tensor:
    """Indices of the atoms to keep, (number, ) int64, in ascending order.

    Args:
        atoms: (N, C).
        usage: (N, ), as `measure_usage` gives it.
        number: How many to keep.
        by: 'usage' for the most used; 'random'; 'clustering' for k-means of the atoms and of each cluster the atom
            nearest to its centre.
        seed: For the last two.
    """
    if by not in METHODS:
        raise ValueError(f'by should be one of {", ".join(METHODS)}, got {by!r}')
    if by == 'usage':
        chosen = usage.argsort(descending=True, stable=True)[:number]
    elif by == 'random':
        chosen = torch.randperm(len(atoms), generator=torch.Generator().manual_seed(seed))[:number]
    else:
        chosen = torch.as_tensor(_medoids(atoms.detach().double().cpu().numpy(), number, seed))
    return chosen.sort().values


def prune(rd: RetrieverDictionary, keep_indices: Sequence[int] | Tensor) -> RetrieverDictionary:
    """A dictionary of some of the atoms: their rows of G, E, batch norms, scale and shift, and columns of D.

    D's batch norm stays as it is. The normalisation now runs over fewer coefficients, so that without training the
    output is another one unless all atoms stay. `rd` is left as it is.

    Args:
        rd: The dictionary.
        keep_indices: At least 2 distinct ones (else ValueError), in the order that the atoms are to have.
    """
    keep = torch.as_tensor(keep_indices, device=rd.dictionary.conv.weight.device)
    if keep.ndim != 1 or not 2 <= len(keep.unique()) == len(keep) or keep.min() < 0 or keep.max() >= rd.num_atoms:
        raise ValueError(f'keep_indices should be at least 2 distinct ones of 0..{rd.num_atoms - 1}, '
                         f'got {keep.tolist()}')
    pruned = RetrieverDictionary(
        rd.generator.conv.in_channels, len(keep), rd.alpha, dense=rd.dense,
        kernel_size=(rd.generator if rd.dense else rd.exchanger).conv.kernel_size[0],
        act_g=rd.generator.with_activation, norm_g=rd.generator.with_norm,
        norm_e=not rd.dense and rd.exchanger.with_norm, norm_d=rd.dictionary.with_norm, normalise=rd.normalise,
        biased=rd.biased, norm_affine=rd.scale is not None, unit_atoms=rd.unit_atoms, eps=rd.eps,
        gate=None if rd.gate is None else 0.0, ramp=rd.ramp)
    pruned.load_state_dict({name: _rows(name, tensor, keep) for name, tensor in rd.state_dict().items()})
    for original, copied in zip(rd.parameters(), pruned.parameters(), strict=True):
        copied.requires_grad_(original.requires_grad)
    return pruned.to(rd.dictionary.conv.weight).train(rd.training)


def _rows(name: str, tensor: Tensor, keep: Tensor) -> Tensor:
    if name == 'dictionary.conv.weight':
        return tensor[:, keep]
    per_atom = name in ('scale', 'shift') or name.startswith(('generator.', 'exchanger.'))
    return tensor[keep] if per_atom and tensor.ndim else tensor


def _medoids(atoms: np.ndarray, number: int, seed: int) -> np.ndarray:
    """Of each of `number` clusters the member nearest to the centre; others where equal atoms make fewer clusters."""
    from sklearn.cluster import KMeans

    kmeans = KMeans(number, n_init=4, random_state=seed).fit(atoms)
    distances = np.linalg.norm(atoms - kmeans.cluster_centers_[kmeans.labels_], axis=1)
    order = np.argsort(distances, kind='stable')
    clusters, first = np.unique(kmeans.labels_[order], return_index=True)
    chosen = order[first]
    others = np.setdiff1d(np.arange(len(atoms)), chosen)
    return np.concatenate([chosen, others[:number - len(clusters)]])
