"""Image sizes and the padding of feature maps: computed on the host, moved to the device in one copy."""
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from mmdet.structures import SampleList
from torch import Tensor

from ...transfers import to_device, to_host


class ImageSizes(NamedTuple):
    """sizes: (B, 2) float32, width and height of each image in pixels, without padding. padding: for each feature map
    (B, h, w), True where a cell is padding."""
    sizes: Tensor
    padding: list[Tensor]


def image_sizes(samples: SampleList, shapes: Sequence[tuple[int, int]], device: torch.device,
                extra_maps: int = 0) -> ImageSizes:
    """Sizes of the images of a batch, and which cells of its feature maps are padding, without waiting for the device.

    A cell is padding if the pixel that nearest interpolation takes for it is padding.

    Args:
        samples: Data samples with `img_shape` and `batch_input_shape` in their meta information.
        shapes: h, w of each feature map.
        device: Device of the result.
        extra_maps: For this many of the last maps, padding is computed from the map before instead of from the images.
    """
    batch_shape = samples[0].batch_input_shape
    images = [sample.img_shape[:2] for sample in samples]
    columns = [[width for _, width in images], [height for height, _ in images]]
    sources, inside = batch_shape, images
    for level, shape in enumerate(shapes):
        extra = level and level >= len(shapes) - extra_maps
        sources, inside = (shapes[level - 1], inside) if extra else (batch_shape, images)
        inside = [tuple(map(_cells_inside, limits, sources, shape)) for limits in inside]
        columns += [[height for height, _ in inside], [width for _, width in inside]]
    values = to_device(torch.tensor(columns, dtype=torch.float32), device)  # (2 + 2 L, B)
    padding = []
    for (height, width), rows, cols in zip(shapes, values[2::2].unsqueeze(2), values[3::2].unsqueeze(2)):
        below = torch.arange(height, device=device) >= rows  # (B, h)
        beside = torch.arange(width, device=device) >= cols  # (B, w)
        padding.append(below.unsqueeze(2) | beside.unsqueeze(1))
    return ImageSizes(values[:2].T, padding)


def any_padded(samples: SampleList) -> bool:
    """Whether any image of a batch is padded.

    Raises:
        ValueError: If an image has no pixels.
    """
    shapes = [tuple(sample.img_shape[:2]) for sample in samples]
    if any(0 in shape for shape in shapes):
        raise ValueError(f'an image without pixels is all padding: img_shape is {shapes}')
    return any(shape != tuple(samples[0].batch_input_shape) for shape in shapes)


def distinct_rows(images: Tensor, samples: SampleList) -> list[int]:
    """Index of each image after repetitions of the image before it are removed, such as [0, 0, 1, 2, 2].

    Two neighbours are the same if they come from one file and all their pixels are equal (crops of one file differ).
    Samples with `image_digest`, a hash of the pixels, are compared by it; for others the host waits once for the
    device, if two neighbours come from one file.

    Args:
        images: (B, 3, H, W).
        samples: Data samples with `img_path`, without which an image equals no other, and optionally `image_digest`.
    """
    files = [(sample.metainfo.get('img_path'), tuple(sample.img_shape), sample.get('image_digest'))
             for sample in samples]
    same = [before == after and after[0] is not None for before, after in pairwise(files)]
    if any(before[2] is None for before, equal in zip(files, same) if equal):
        equal = to_host(images[1:].eq(images[:-1]).flatten(1).all(dim=1)).tolist()
        same = [file and pixels for file, pixels in zip(same, equal)]
    rows = [0]
    for repeated in same:
        rows.append(rows[-1] + (not repeated))
    return rows


def _cells_inside(limit: int, size: int, cells: int) -> int:
    """How many of `cells` cells over `size` pixels have their nearest pixel before pixel `limit`."""
    return bisect_left(_nearest_pixels(size, cells), limit)


@lru_cache(maxsize=4096)
def _nearest_pixels(size: int, cells: int) -> tuple[int, ...]:
    """The pixel that torch's nearest interpolation takes for each cell, with its float32 arithmetic."""
    pixels = np.arange(cells, dtype=np.float32) * (np.float32(size) / np.float32(cells))
    return tuple(np.minimum(pixels.astype(int), size - 1).tolist())
