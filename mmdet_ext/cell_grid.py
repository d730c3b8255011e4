"""Where the cells of a feature map lie on the image that it was computed from."""
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class CellGrid(NamedTuple):
    """Where the cells of a feature map lie on the original image, which was resized and padded for the network.

    Args:
        size: (height, width) of the image.
        cells: (rows, columns) of the feature map.
        extent: (left, top, right, bottom) of the whole map in pixels of the image, padding included.
    """
    size: tuple[int, int]
    cells: tuple[int, int]
    extent: tuple[float, float, float, float]

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any], input_shape: tuple[int, int], cells: tuple[int, int]) -> 'CellGrid':
        """The grid of a feature map of `cells` (rows, columns).

        Args:
            meta: Meta information of the test pipeline: `ori_shape` (height, width), `scale_factor` (x, y), (1, 1) if
                absent, and `pad_param` (left, top) in pixels of the input, (0, 0) if absent.
            input_shape: (height, width) of the network's input with all padding.
            cells: (rows, columns).
        """
        (scale_x, scale_y), (pad_x, pad_y) = meta.get('scale_factor', (1, 1))[:2], meta.get('pad_param', (0, 0))[:2]
        height, width = input_shape
        extent = (-pad_x / scale_x, -pad_y / scale_y, (width - pad_x) / scale_x, (height - pad_y) / scale_y)
        return cls(tuple(meta['ori_shape'][:2]), tuple(cells), tuple(map(float, extent)))

    @classmethod
    def from_stride(cls, meta: Mapping[str, Any], stride: float, cells: tuple[int, int]) -> 'CellGrid':
        """The grid of a map whose cell i has its centre at i * stride pixels of the network's input.

        The cells of a ResNet are there, because its strided convolutions pad by half of their kernel; SMCA-DETR places
        its Gaussians on such cells. With `from_meta` the centres are half a cell further right and below.

        Args:
            meta: `ori_shape` (height, width) and `scale_factor` (x, y), (1, 1) if absent. Padding is right and below.
            stride: Pixels of the input per cell.
            cells: (rows, columns), padding included.
        """
        step_x, step_y = (stride / scale for scale in meta.get('scale_factor', (1, 1))[:2])
        rows, columns = cells
        extent = (-step_x / 2, -step_y / 2, (columns - 0.5) * step_x, (rows - 0.5) * step_y)
        return cls(tuple(meta['ori_shape'][:2]), tuple(cells), tuple(map(float, extent)))

    def pixels_of(self, points: Tensor) -> Tensor:
        """(..., 2), x and y in cells, where whole numbers are centres of cells -> x and y in pixels of the image."""
        left, top, right, bottom = self.extent
        rows, columns = self.cells
        step = points.new_tensor([(right - left) / columns, (bottom - top) / rows])
        return points.new_tensor([left, top]) + (points + 0.5) * step

    def resample(self, maps: Tensor, shape: tuple[int, int]) -> Tensor:
        """Interpolate maps bilinearly at the points of a raster that divides the image evenly.

        Outside the centres of the outermost cells, the values of these cells are repeated.

        Args:
            maps: (N, rows, columns).
            shape: (height, width) of the raster.

        Returns:
            (N, height, width).
        """
        left, top, right, bottom = self.extent
        x, y = ((torch.arange(count) + 0.5) * side / count for count, side in zip(shape[::-1], self.size[::-1]))
        x, y = (x - left) / (right - left) * 2 - 1, (y - top) / (bottom - top) * 2 - 1
        points = torch.stack(torch.meshgrid(x, y, indexing='xy'), dim=-1)
        return F.grid_sample(maps[None], points[None].to(maps), padding_mode='border', align_corners=False)[0]

    def cell_at(self, x: float, y: float) -> tuple[int, int]:
        """(row, column) of the cell at a point (x, y), in pixels of the image; ValueError outside of the image."""
        height, width = self.size
        if not (0 <= x < width and 0 <= y < height):
            raise ValueError(f'the point ({x:g}, {y:g}) is outside of the image of {width} x {height} pixels')
        left, top, right, bottom = self.extent
        rows, columns = self.cells
        row, column = int((y - top) / (bottom - top) * rows), int((x - left) / (right - left) * columns)
        # what the network's rounding of a side to whole pixels leaves over belongs to the last cell
        return min(row, rows - 1), min(column, columns - 1)

    def areas(self) -> Tensor:
        """(rows, columns, 4) float64: x1, y1, x2, y2 of each cell in pixels of the image, also beyond its borders."""
        left, top, right, bottom = self.extent
        y = torch.linspace(top, bottom, self.cells[0] + 1, dtype=torch.float64)
        x = torch.linspace(left, right, self.cells[1] + 1, dtype=torch.float64)
        corners = torch.stack(torch.meshgrid(x, y, indexing='xy'), dim=-1)  # (rows + 1, columns + 1, 2)
        return torch.cat([corners[:-1, :-1], corners[1:, 1:]], dim=-1)

    def box_of(self, row: int, column: int) -> tuple[float, float, float, float]:
        """x1, y1, x2, y2 of a cell in pixels of the image, cut off where the image ends."""
        height, width = self.size
        x1, y1, x2, y2 = self.areas()[row, column].tolist()
        return min(max(x1, 0.), width), min(max(y1, 0.), height), min(max(x2, 0.), width), min(max(y2, 0.), height)

    def inside(self) -> Tensor:
        """Which cells have their centre in the image and not in the padding: bool (rows, columns)."""
        areas, (height, width) = self.areas(), self.size
        centres = (areas[..., :2] + areas[..., 2:]) / 2
        return ((centres >= 0) & (centres < centres.new_tensor([width, height]))).all(dim=-1)
