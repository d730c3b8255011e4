"""Images of several sizes in the graph of a detection transformer: their padding, and the config of a fixed size."""
import copy
from collections.abc import Iterator, Sequence

import torch
from mmengine.config import Config, ConfigDict
from torch import Tensor

from .graph import GraphOptions


def map_padding(sizes: Tensor, images: Tensor, shapes: Sequence[tuple[int, int]],
                extra_maps: int = 0) -> list[Tensor]:
    """Which cells of the feature maps are padding, as `image_sizes` finds it on the host.

    Args:
        sizes: (B, 2) integers, height and width of each image in pixels, without padding.
        images: (B, 3, H, W).
        shapes: h, w of each feature map.
        extra_maps: For this many of the last maps, padding is computed from the map before instead of from the images.

    Returns:
        For each map (B, h, w) bool, True where a cell is padding.
    """
    batch_shape, padding = tuple(images.shape[2:]), []
    inside = sizes
    for level, shape in enumerate(shapes):
        extra = level and level >= len(shapes) - extra_maps
        source, limits = (shapes[level - 1], inside) if extra else (batch_shape, sizes)
        below, beside = (_is_padding(limits[:, axis], source[axis], shape[axis]) for axis in range(2))
        inside = torch.stack([(~axis).sum(dim=1) for axis in (below, beside)], dim=1)
        padding.append(below.unsqueeze(2) | beside.unsqueeze(1))
    return padding


def _is_padding(limits: Tensor, pixels: int, cells: int) -> Tensor:
    """(B,) pixels that are no padding -> (B, cells), whether the nearest pixel of a cell is padding, in the arithmetic
    of torch's nearest interpolation."""
    step = torch.ones((), device=limits.device) * pixels / cells
    nearest = (torch.arange(cells, device=limits.device) * step).long()
    return nearest >= limits.unsqueeze(1)


def with_image_size(cfg: Config, options: GraphOptions) -> Config:
    """A copy of a config whose validation and test pipelines resize images as `options.image_size` says.

    A fixed size is a square, in which images of any shape fit: their longer side becomes its side, and the rest is
    padding, in eager prediction too. With a dynamic size the smaller number is that of the short side, and the larger
    one the limit of the long side.

    Raises:
        ValueError: The fixed size is no square, or a pipeline resizes images in none or in several steps.
    """
    cfg = copy.deepcopy(cfg)
    if options.image_size is None:
        return cfg
    short, longest = sorted(options.image_size)
    step = dict(type='FloorResize', scales=[(short, longest)])
    if not options.dynamic_size:
        if short != longest:
            raise ValueError(f'a fixed size should be square for a detection transformer, so that upright and wide '
                             f'images fit; got {options.image_size[0]} x {options.image_size[1]}')
        step = dict(type='Resize', scale=(short, short), keep_ratio=True, backend='pillow')
        cfg.model.data_preprocessor = dict(cfg.model.get('data_preprocessor') or {}, pad_size_divisor=short)
    for pipeline in _pipelines(cfg):
        rows = [row for row, kind in enumerate(pipeline) if 'Resize' in str(kind['type'])]
        if len(rows) != 1:
            raise ValueError(f'the test pipeline should have one step that resizes, which the image size is written '
                             f'into, and has {len(rows)}')
        pipeline[rows[0]] = ConfigDict(step)
    return cfg


def _pipelines(cfg: Config) -> Iterator[list]:
    """The pipelines of the data sets for validation and test."""
    waiting = [cfg.get(f'{split}_dataloader') for split in ('val', 'test')]
    while waiting:
        part = waiting.pop()
        if isinstance(part, (list, tuple)):
            waiting += part
        elif part:
            if 'pipeline' in part:
                yield part['pipeline']
            waiting += [part[name] for name in ('dataset', 'datasets') if name in part]
