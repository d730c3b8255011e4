"""Features before and after a dictionary: figure 5 of YOLO-RD (https://arxiv.org/abs/2410.15346)."""
import os

import torch
from matplotlib.figure import Figure
from torch import Tensor

from .capture import Capture
from .style import INK, LARGE, NORMAL, SEQUENTIAL, SMALL, plain, save

MEASURES = ('norm', 'mean', 'pca')
_TITLES = dict(norm='length of the feature', mean='mean |x| over channels', pca="first principal component of 'before'")


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


def draw_features(capture: Capture, path: str | os.PathLike, measure: str = 'norm') -> None:
    """Write one PNG: the picture, the features before and after the dictionary, and the retrieved term alone.

    Each map has its own scale from its smallest to its largest value on the picture, in the same colours.

    Args:
        capture: The picture.
        path: PNG to write.
        measure: See `summarise`.
    """
    inside = capture.grid.inside()
    height, width = capture.grid.size
    left, top, right, bottom = capture.grid.extent
    wide, high = (2.6 * side / max(height, width) for side in (width, height))
    total_width, total_height = 4 * (wide + 0.15) + 1.05, high + 0.85
    figure = Figure((total_width, total_height))
    figure.text(0.15 / total_width, 1 - 0.18 / total_height, f'{capture.path.name}: {_TITLES[measure]}', fontsize=LARGE,
                color=INK, va='center', parse_math=False)
    panels = dict(picture=None, before=capture.before, after=capture.after, retrieved=capture.retrieved)
    for column, (name, maps) in enumerate(panels.items()):
        axes = plain(figure.add_axes(((0.15 + column * (wide + 0.15)) / total_width, 0.25 / total_height,
                                      wide / total_width, high / total_height)))
        axes.set_title(name if maps is None or name == 'retrieved' else f'{name} the dictionary', fontsize=NORMAL,
                       color=INK, pad=3)
        if maps is None:
            axes.imshow(capture.picture, interpolation='bilinear')
            continue
        values = summarise(maps, measure, capture.before[:, inside])
        low, top_value = values[inside].min().item(), values[inside].max().item()
        drawn = axes.imshow(values.numpy(), cmap=SEQUENTIAL, vmin=low, vmax=top_value,
                            extent=(left, right, bottom, top), interpolation='bilinear')
        axes.set(xlim=(0, width), ylim=(height, 0))
        axes.set_xlabel(f'{low:.3g} to {top_value:.3g}', fontsize=SMALL, color=INK, labelpad=2)
    bar = figure.add_axes((1 - 0.8 / total_width, 0.25 / total_height, 0.13 / total_width, high / total_height))
    ticks = figure.colorbar(drawn, bar, ticks=(low, top_value)).ax
    ticks.set_yticklabels(('smallest', 'largest'), fontsize=SMALL)
    save(figure, path)
