import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from torch.testing import assert_close

from mmdet_ext.cell_grid import CellGrid

# an image of 200 x 100 pixels (width, height), halved to 100 x 50 and padded by 14 left and 7 above to 128 x 64
META = dict(ori_shape=(100, 200), scale_factor=(0.5, 0.5), pad_param=(14, 7))


def test_the_extent_of_a_letterboxed_map_by_hand():
    grid = CellGrid.from_meta(META, (64, 128), (8, 16))
    assert grid == CellGrid((100, 200), (8, 16), (-28., -14., 228., 114.))


def test_without_padding_the_map_begins_where_the_image_does():
    grid = CellGrid.from_meta(dict(ori_shape=(100, 200), scale_factor=(0.5, 0.25)), (32, 128), (4, 16))
    assert grid.extent == (0., 0., 256., 128.)


def test_the_cell_of_a_pixel_by_hand():
    grid = CellGrid.from_meta(META, (64, 128), (8, 16))
    assert grid.cell_at(0, 0) == (0, 1)  # 14 / 16 rows and 28 / 16 columns from the padded corner
    assert grid.cell_at(3.9, 1.9) == (0, 1)
    assert grid.cell_at(4, 2) == (1, 2)
    assert grid.cell_at(199.9, 99.9) == (7, 14)


def test_the_box_of_a_cell_holds_the_points_of_that_cell():
    grid = CellGrid.from_meta(META, (64, 128), (8, 16))
    for x, y in [(0, 0), (30, 77), (199, 99), (100, 50)]:
        x1, y1, x2, y2 = grid.box_of(*grid.cell_at(x, y))
        assert 0 <= x1 <= x < x2 <= 200 and 0 <= y1 <= y < y2 <= 100


def test_a_box_ends_where_the_image_does():
    grid = CellGrid.from_meta(META, (64, 128), (8, 16))
    assert grid.box_of(0, 1) == (0., 0., 4., 2.)
    assert grid.box_of(1, 2) == (4., 2., 20., 18.)


def test_cells_in_the_padding_are_not_inside():
    inside = CellGrid((32, 48), (6, 6), (0., -8., 48., 40.)).inside()
    expected = torch.ones(6, 6, dtype=torch.bool)
    expected[[0, 5]] = False
    assert inside.equal(expected)


@pytest.mark.parametrize('point', [(-1, 5), (5, -0.1), (200, 5), (5, 100)])
def test_rejects_a_point_outside_of_the_image(point):
    with pytest.raises(ValueError, match='outside of the image of 200 x 100'):
        CellGrid.from_meta(META, (64, 128), (8, 16)).cell_at(*point)


@pytest.mark.parametrize('size', [(150, 97), (61, 200), (160, 160)])
@pytest.mark.parametrize('config', ['yolov9', 'mmdet'])
def test_a_spot_in_an_image_is_where_the_grid_says_it_is_in_the_network_input(config, size, tmp_path):
    """Both ways of resizing and padding: letterboxed around the middle, and mmdet's at the right and below."""
    width, height = size
    spot = np.zeros((height, width, 3), np.uint8)
    spot[20:28, 36:44] = 255  # middle: x = 40, y = 24
    cv2.imwrite(str(tmp_path / 'spot.png'), spot)
    if config == 'yolov9':
        pipeline = Config.fromfile('configs/yolov9/yolov9t_shapes.py').test_pipeline
        pipeline[1].size = 256
    else:
        pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(256, 256), keep_ratio=True),
                    dict(type='PackDetInputs', meta_keys=('ori_shape', 'img_shape', 'scale_factor'))]
    data = Compose(pipeline)(dict(img_path=str(tmp_path / 'spot.png'), img_id=0))
    image = torch.where(data['inputs'] == 114, 0, data['inputs']).float().sum(0)
    height, width = image.shape
    rows, columns = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing='ij')
    centre = torch.stack([(columns * image).sum(), (rows * image).sum()]) / image.sum()

    left, top, right, bottom = CellGrid.from_meta(data['data_samples'].metainfo, (height, width), (1, 1)).extent
    seen = torch.tensor([left + centre[0] / width * (right - left), top + centre[1] / height * (bottom - top)])
    assert_close(seen, torch.tensor([40., 24.]), atol=0.75, rtol=0)


def test_areas_by_hand():
    areas = CellGrid(size=(20, 40), cells=(4, 6), extent=(0., -6., 48., 26.)).areas()
    assert areas.shape == (4, 6, 4)
    assert areas[1, 2].tolist() == [16, 2, 24, 10] and areas[3, 5].tolist() == [40, 18, 48, 26]
