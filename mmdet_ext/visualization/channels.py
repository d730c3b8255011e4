"""One number per cell of a feature map, to draw it by."""
import torch
from torch import Tensor

MEASURES = ('norm', 'mean', 'pca')


def summarise(maps: Tensor, measure: str, reference: Tensor) -> Tensor:
    """One number per cell: (C, H, W) -> (H, W).

    Args:
        maps: (C, H, W).
        measure: 'norm' for the L2 length over channels, 'mean' for the mean magnitude, 'pca' for the projection onto
            the direction in which `reference` varies most.
        reference: (C, n) features that 'pca' is fitted on, n at least 2.
    """
    if measure == 'norm':
        return maps.norm(dim=0)
    if measure == 'mean':
        return maps.abs().mean(dim=0)
    if measure == 'pca':
        mean = reference.mean(dim=1)
        axis = torch.linalg.eigh(torch.cov(reference)).eigenvectors[:, -1]
        axis = axis * axis[axis.abs().argmax()].sign()  # of two signs the one whose largest entry is positive
        return torch.einsum('chw,c->hw', maps, axis) - mean @ axis
    raise ValueError(f'measure should be one of {", ".join(MEASURES)}, got {measure!r}')
