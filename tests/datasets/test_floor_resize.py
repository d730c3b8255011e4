"""FloorResize: sizes by hand, Pillow's pixels, boxes and masks."""
import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks
from PIL import Image

from mmdet_ext.datasets.transforms import FloorResize
from mmdet_ext.datasets.transforms.floor_resize import floor_size


@pytest.mark.parametrize('width, height, short, longest, size', [
    (640, 480, 800, 1333, (1066, 800)),  # 1066.67: mmdet's Resize gives 1067
    (480, 640, 800, 1333, (800, 1066)),
    (1000, 400, 800, 1333, (1332, 533)),  # short = round(533.2), long = int(1332.5)
    (400, 1000, 800, 1333, (533, 1332)),
    (1000, 401, 800, 1333, (1334, 535)),  # short = round(534.5): the long side may pass the limit by one
    (640, 480, 400, None, (533, 400)),
    (2000, 100, 400, None, (8000, 400)),
    (500, 500, 480, 1333, (480, 480)),
    (800, 1333, 800, 1333, (800, 1333)),
    (333, 500, 800, 1333, (800, 1201)),
])
def test_sizes_by_hand(width, height, short, longest, size):
    assert floor_size(width, height, short, longest) == size


def test_pixels_are_pillows_and_boxes_and_masks_follow():
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    boxes = HorizontalBoxes(np.array([[16, 12, 32, 48]], np.float32))
    masks = BitmapMasks(np.ones((1, 48, 64), np.uint8), 48, 64)
    results = FloorResize([(20, 100)])(dict(img=image, gt_bboxes=boxes, gt_masks=masks))
    expected = Image.fromarray(image).resize((26, 20), Image.Resampling.BILINEAR)  # averages over 2.4 pixels
    np.testing.assert_array_equal(results['img'], np.asarray(expected))
    assert results['img_shape'] == (20, 26) and results['gt_masks'].masks.shape == (1, 20, 26)
    assert results['scale_factor'] == pytest.approx((26 / 64, 20 / 48))
    torch.testing.assert_close(results['gt_bboxes'].tensor, torch.tensor([[6.5, 5, 13, 20]]))


def test_each_of_several_scales_is_drawn():
    resize = FloorResize([(8, None), (12, None), (16, None)])
    sides = [resize(dict(img=np.zeros((32, 32, 3), np.uint8)))['img_shape'][0] for _ in range(60)]
    assert set(sides) == {8, 12, 16} and min(map(sides.count, (8, 12, 16))) > 8


@pytest.mark.parametrize('scales', [[], [800], [(0, 10)], [(800, -1)], [(None, 1333)], [(1, 2, 3)]])
def test_bad_scales_are_refused(scales):
    with pytest.raises(ValueError, match='scales must be pairs'):
        FloorResize(scales)
