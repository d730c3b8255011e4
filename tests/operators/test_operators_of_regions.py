"""RoIPool and deformable RoI pooling, which mmcv has for CUDA only, against a loop over all cells and samples."""
import math
from itertools import product

import pytest
import torch
from operator_cases import normal, regions, with_gradients
from torch import Tensor

pytestmark = pytest.mark.usefixtures('stand_in')


def roi_pool_by_loops(images: Tensor, rois: Tensor, size: tuple[int, int], scale: float) -> Tensor:
    result = images.new_zeros(len(rois), images.shape[1], *size)
    height, width = images.shape[2:]
    for region, roi in enumerate(rois.tolist()):
        left, top, right, bottom = roi[1] * scale, roi[2] * scale, (roi[3] + 1) * scale, (roi[4] + 1) * scale
        for row, column in product(*map(range, size)):
            first_y = min(max(math.floor(row * (bottom - top) / size[0] + top), 0), height)
            end_y = min(max(math.ceil((row + 1) * (bottom - top) / size[0] + top), 0), height)
            first_x = min(max(math.floor(column * (right - left) / size[1] + left), 0), width)
            end_x = min(max(math.ceil((column + 1) * (right - left) / size[1] + left), 0), width)
            if end_y > first_y and end_x > first_x:
                result[region, :, row, column] = images[int(roi[0]), :, first_y:end_y, first_x:end_x].amax((1, 2))
    return result


def bilinear(image: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """(C, H, W) at a point -> (C,). mmcv's gradient of a point is only that of this one where it is no border."""
    height, width = image.shape[1:]
    if not (-1 <= y <= height and -1 <= x <= width):
        return image.new_zeros(len(image))
    y, x = y.clamp(0, height - 1), x.clamp(0, width - 1)
    low_y, low_x = int(y), int(x)
    high_y, high_x = min(low_y + 1, height - 1), min(low_x + 1, width - 1)
    above = image[:, low_y, low_x] * (low_x + 1 - x) + image[:, low_y, high_x] * (x - low_x)
    below = image[:, high_y, low_x] * (low_x + 1 - x) + image[:, high_y, high_x] * (x - low_x)
    return above * (low_y + 1 - y) + below * (y - low_y)


def deform_roi_pool_by_loops(images: Tensor, rois: Tensor, offset: Tensor | None, size: tuple[int, int], scale: float,
                             ratio: int, gamma: float) -> Tensor:
    cells = []
    for region, roi in enumerate(rois):
        left, top, right, bottom = roi[1:] * scale - 0.5
        down, across = (ratio or math.ceil(side / cell) for side, cell in zip((bottom - top, right - left), size))
        for row, column in product(*map(range, size)):
            y, x = top + row * (bottom - top) / size[0], left + column * (right - left) / size[1]
            if offset is not None:
                x = x + gamma * (right - left) * offset[region, 0, row, column]
                y = y + gamma * (bottom - top) * offset[region, 1, row, column]
            samples = [bilinear(images[int(roi[0])], y + (i + .5) * (bottom - top) / size[0] / down,
                                x + (j + .5) * (right - left) / size[1] / across)
                       for i, j in product(range(down), range(across))]
            cells.append(sum(samples, images.new_zeros(images.shape[1])) / max(down * across, 1))
    return torch.stack(cells).view(len(rois), *size, -1).permute(0, 3, 1, 2)


@pytest.mark.parametrize('size', [(3, 2), (1, 1), (7, 7)])
@pytest.mark.parametrize('scale', [1., 0.5])
def test_roi_pool_takes_the_largest_pixel_of_each_cell(size, scale):
    from mmcv.ops import roi_pool

    rois = regions(1, 7, 2, 20)
    images = normal(2, 2, 3, 16, 19)
    torch.testing.assert_close(with_gradients(lambda images: roi_pool(images, rois, size, scale), images=images),
                               with_gradients(lambda images: roi_pool_by_loops(images, rois, size, scale),
                                              images=images))


def test_roi_pool_by_hand():
    from mmcv.ops import RoIPool

    image = torch.arange(16.).view(1, 1, 4, 4)
    pooled = RoIPool((2, 2))(image, torch.tensor([[0., 0, 0, 3, 3], [0, 1, 1, 2, 2]]))
    assert pooled[:, 0].tolist() == [[[5, 7], [13, 15]], [[5, 6], [9, 10]]]


def test_of_equal_pixels_the_first_has_the_gradient_and_a_region_that_ends_before_it_begins_has_none():
    from mmcv.ops import roi_pool

    image = torch.zeros(1, 1, 3, 3, requires_grad=True)
    roi_pool(image, torch.tensor([[0., 0, 0, 2, 2], [0, 2, 2, 0, 0]]), 1).sum().backward()
    assert image.grad.flatten().tolist() == [1.] + [0.] * 8


@pytest.mark.parametrize('ratio', [0, 2])
def test_deform_roi_pool_averages_samples_of_moved_cells(ratio):
    from mmcv.ops import deform_roi_pool

    rois = torch.tensor([[0., 8, 6, 22, 30], [1, 4, 10, 24, 18], [0, 10, 10, 10, 10], [1, 9, 9, 9, 18]])
    images, offset = normal(2, 2, 3, 18, 19), normal(3, 4, 2, 3, 2)
    for leaves in (dict(images=images, offset=offset), dict(images=images)):
        actual, expected = (
            with_gradients(lambda images, offset=None: function(images, rois, offset, (3, 2), 0.5, ratio, 0.1),
                           **leaves) for function in (deform_roi_pool, deform_roi_pool_by_loops))
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('point, gradient', [  # (y, x), worked out from the formulas of mmcv's CUDA kernel
    ((0.5, 0.25), ((6 - 3) * 0.25 + (2 - 1) * 0.75, (6 - 2) * 0.5 + (3 - 1) * 0.5)),
    ((-0.5, 0.25), ((6 - 3) * 0.25 + (2 - 1) * 0.75, (6 - 2) * -0.5 + (3 - 1) * 1.5)),  # not that of the border
    ((2.5, 0.25), (0, (9 - 5) * 0.5 + (9 - 5) * -0.5)), ((3.5, 0.25), (0, 0)),
])
def test_near_the_border_the_gradient_of_a_moved_cell_is_that_of_mmcv(point, gradient):
    from mmdet_ext.operators.deform_roi_pool import _grad_of_point
    from mmdet_ext.operators.regions import corners, pixel_rows

    image = torch.tensor([[1., 3, 0], [2, 6, 0], [5, 9, 0]]).view(1, 1, 3, 3)
    around = corners(torch.tensor(point).view(2, 1, 1, 1), torch.zeros(1, 1, 1, dtype=torch.long), (3, 3))
    actual = _grad_of_point(around, pixel_rows(image), torch.ones(1, 1, 1, 1)) * around.inside
    torch.testing.assert_close(actual.flatten(), torch.tensor(gradient, dtype=torch.float32))


def test_the_module_of_deformable_roi_pooling_learns():
    from mmcv.ops import ModulatedDeformRoIPoolPack

    pool = ModulatedDeformRoIPoolPack((3, 3), 4, deform_fc_channels=8, spatial_scale=0.5)
    for layers in pool.offset_fc, pool.mask_fc:
        torch.nn.init.normal_(layers[4 if layers is pool.offset_fc else 2].weight, std=0.1)  # which begin as zeros
    pool(normal(2, 2, 4, 16, 16), torch.tensor([[0., 8, 6, 22, 30], [1, 4, 10, 24, 18]])).square().sum().backward()
    assert [name for name, p in pool.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize('name', ['roi_pool', 'deform_roi_pool', 'roi_align', 'roi_align max'])
def test_no_regions_give_an_empty_result_and_no_gradient(name):
    import mmcv.ops

    images, rois = torch.randn(2, 3, 8, 8, requires_grad=True), torch.zeros(0, 5)
    pooled = {'roi_pool': lambda: mmcv.ops.roi_pool(images, rois, 3),
              'deform_roi_pool': lambda: mmcv.ops.deform_roi_pool(images, rois, torch.zeros(0, 2, 3, 3), 3),
              'roi_align': lambda: mmcv.ops.roi_align(images, rois, 3),
              'roi_align max': lambda: mmcv.ops.roi_align(images, rois, 3, 1., 0, 'max')}[name]()
    assert pooled.shape == (0, 3, 3, 3)
    pooled.sum().backward()
    assert not images.grad.any()
