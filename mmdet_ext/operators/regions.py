"""Samples in the cells of regions: where they lie, and the bilinear weights of the four pixels around each.

K regions of `cells` (PH, PW), each with a grid of samples. N pixels are the rows (N, C) of all images.
"""
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor


@dataclass(frozen=True)
class Corners:
    """Four pixels around a point, in the order (low, low), (low, high), (high, low), (high, high) of (y, x).

    Attributes:
        rows: (4, ...) rows of the pixels.
        weights: (4, ...); zeros for a point outside the image.
        to_low, to_high: (2, ...) distances in y and x of the point from the pixels; of one near the border, before it
            was moved to it.
        inside: (...) whether the point is in the image, which reaches one pixel over its border.
    """
    rows: Tensor
    weights: Tensor
    to_low: Tensor
    to_high: Tensor
    inside: Tensor


@dataclass(frozen=True)
class Cells:
    """Cells of regions and the number of samples in each.

    Attributes:
        image: (K, 1, 1) index of the image.
        start: (2, K, PH, PW) the corner of each cell with the smallest y and x.
        size: (2, K, 1, 1) height and width of the cells.
        extent: (2, K, 1, 1) height and width of the region.
        samples: (2, K, 1, 1) samples in a cell, down and across.
    """
    image: Tensor
    start: Tensor
    size: Tensor
    extent: Tensor
    samples: Tensor

    @classmethod
    def of(cls, rois: Tensor, cells: tuple[int, int], scale: float, sampling_ratio: int, aligned: bool) -> 'Cells':
        """(K, 5) of the image's index and a box in pixels of the image -> cells in pixels of the feature map."""
        box = rois[:, 1:] * scale - (0.5 if aligned else 0)
        low, high = (box[:, columns].T.reshape(2, -1, 1, 1) for columns in ([1, 0], [3, 2]))
        extent = high - low if aligned else (high - low).clamp(min=1)
        number = rois.new_tensor(cells).view(2, 1, 1, 1)
        size = extent / number
        samples = torch.full_like(size, sampling_ratio) if sampling_ratio > 0 else size.ceil()
        down = torch.arange(cells[0], device=rois.device, dtype=rois.dtype).view(1, -1, 1).expand(1, *cells)
        across = torch.arange(cells[1], device=rois.device, dtype=rois.dtype).view(1, 1, -1).expand(1, *cells)
        return cls(rois[:, 0].long().view(-1, 1, 1), low + torch.stack([down, across]) * size, size, extent, samples)

    def points(self) -> Iterator[tuple[Tensor | slice, Tensor]]:
        """One sample of every cell at a time, row by row: the R regions that have it, and the points (2, R, PH, PW)."""
        if not len(self.image):
            return
        samples = self.samples.flatten(1).cpu()
        for row, column in product(*(range(int(most)) for most in samples.amax(dim=1))):
            exists = (samples[0] > row) & (samples[1] > column)
            regions = slice(None) if exists.all() else exists.nonzero()[:, 0].to(self.samples.device)
            step = self.samples.new_tensor([row + 0.5, column + 0.5]).view(2, 1, 1, 1)
            yield regions, self.start[:, regions] + step * self.size[:, regions] / self.samples[:, regions]

    def count(self) -> Tensor:
        """Samples in a cell of each region, (K, 1, 1, 1)."""
        return self.samples.prod(dim=0).unsqueeze(-1)


def corners(point: Tensor, image: Tensor, size: tuple[int, int]) -> Corners:
    """Points (2, ...) as (y, x) and their images (...) -> the pixels around them, in maps of that (H, W).

    A point less than one pixel outside lies on the border.
    """
    limit = point.new_tensor(size).view(2, *[1] * (point.dim() - 1))
    inside = ((point >= -1) & (point <= limit)).all(dim=0)
    clamped = point.clamp(min=0)
    low = torch.minimum(clamped.floor(), limit - 1)
    high = torch.minimum(low + 1, limit - 1)
    clamped = torch.minimum(clamped, limit - 1)
    to_low, to_high = clamped - low, 1 - (clamped - low)
    weights = torch.stack([to_high[0] * to_high[1], to_high[0] * to_low[1], to_low[0] * to_high[1],
                           to_low[0] * to_low[1]])
    low_row, high_row = ((image * size[0] + place[0].long().clamp(min=0)) * size[1] for place in (low, high))
    low_column, high_column = low[1].long(), high[1].long()
    rows = torch.stack([low_row + low_column, low_row + high_column, high_row + low_column, high_row + high_column])
    return Corners(torch.where(inside, rows, 0), torch.where(inside, weights, 0), point - low, high - point, inside)


def pixel_rows(images: Tensor) -> Tensor:
    """(B, C, H, W) -> (B * H * W, C)."""
    return images.permute(0, 2, 3, 1).reshape(-1, images.shape[1])


def from_pixel_rows(rows: Tensor, shape: tuple[int, int, int, int]) -> Tensor:
    """(B * H * W, C) -> (B, C, H, W), the given shape."""
    return rows.view(shape[0], *shape[2:], shape[1]).permute(0, 3, 1, 2)
