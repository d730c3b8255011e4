"""A dictionary as a whole: how much each atom is used, and how alike the atoms are."""
import os
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from mmdet_ext.dictionary.usage import effective_number

from ..style import BLUE, DIVERGING, GREY, INK, LARGE, NORMAL, SMALL, save
from .capture import Capture
from .plots import draw_ranked


def usage_on(capture: Capture) -> Tensor:
    """Mean magnitude |c'| of each atom's coefficient over the cells of an image without its padding: (N, ) float64."""
    return capture.coefficients[:, capture.grid.inside()].abs().mean(dim=1).double()


def gram(atoms: Tensor) -> Tensor:
    """Cosine of each pair of atoms: (N, C) -> (N, N)."""
    units = F.normalize(atoms, dim=1)
    return units @ units.T


def draw_usage(usages: Sequence[Tensor], path: str | os.PathLike) -> None:
    """Write one PNG: the mean of `usage_on` some images, the most used atom first."""
    usage, images = torch.stack(list(usages)).mean(dim=0), len(usages)
    order = usage.argsort(descending=True).tolist()
    most, least = (', '.join(map(str, atoms)) for atoms in (order[:5], order[-5:]))
    draw_ranked(usage.numpy(), path, f'usage over {images} {"image" if images == 1 else "images"}: '
                f'{effective_number(usage):.1f} of {len(usage)} atoms effective',
                f'atoms by usage: the most used are {most}, the least used {least}', "mean |c'|",
                line=usage.mean().item(), name=f'mean {usage.mean():.2f}')


def draw_gram(atoms: Tensor, path: str | os.PathLike) -> None:
    """Write one PNG: the cosine of each pair of atoms (N, C) as a matrix, and how often each value occurs."""
    cosines = gram(atoms)
    pairs = cosines[~torch.eye(len(atoms), dtype=torch.bool)]
    figure = Figure((8.6, 4.3), layout='constrained')
    matrix, histogram = figure.subplots(1, 2, width_ratios=(1.35, 1))
    drawn = matrix.imshow(cosines.numpy(), cmap=DIVERGING, vmin=-1, vmax=1, interpolation='nearest')
    matrix.set_title(f'cosine of each pair of {len(atoms)} atoms', fontsize=LARGE, color=INK, loc='left')
    matrix.set_xlabel('atom', fontsize=NORMAL, color=INK)
    matrix.set_ylabel('atom', fontsize=NORMAL, color=INK)
    figure.colorbar(drawn, ax=matrix, shrink=0.85).ax.tick_params(labelsize=SMALL)
    histogram.hist(pairs.numpy(), bins=60, range=(-1, 1), color=BLUE, linewidth=0)
    histogram.axvline(0, color=GREY, linewidth=0.8)
    histogram.set_title(f'between different atoms: |cos| {pairs.abs().mean():.2f} on average', fontsize=NORMAL,
                        color=INK, loc='left')
    histogram.set_xlabel('cosine', fontsize=NORMAL, color=INK)
    histogram.set_yticks([])
    histogram.spines[['top', 'right', 'left']].set_visible(False)
    for axes in (matrix, histogram):
        axes.tick_params(labelsize=SMALL)
    save(figure, path)
