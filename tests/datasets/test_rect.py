import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS, TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes
from mmdet_ext.datasets.batch_shapes import padded_shapes
from mmdet_ext.datasets.transforms import RectLetterbox, YOLOResize
from mmdet_ext.models.dense_heads.postprocess import to_original_image
from numpy.testing import assert_array_equal
from torch.testing import assert_close
from coco_files import annotation, write_coco

META = ('img_id', 'ori_shape', 'img_shape', 'scale_factor', 'pad_param')
TEST_PIPELINE = [
    dict(type='LoadImageFromFile'), dict(type='YOLOResize'), dict(type='RectLetterbox'),
    dict(type='LoadAnnotations', with_bbox=True), dict(type='PackDetInputs', meta_keys=META)]


def image(height: int, width: int, value: int = 200) -> dict:
    return dict(img=np.full((height, width, 3), value, np.uint8))


def edges(img: np.ndarray) -> tuple[int, int, int, int]:
    """Padding (left, top, right, bottom) that was drawn around an image of one colour."""
    rows, columns = np.flatnonzero((img != 114).any((1, 2))), np.flatnonzero((img != 114).any((0, 2)))
    return columns[0], rows[0], img.shape[1] - 1 - columns[-1], img.shape[0] - 1 - rows[-1]


@pytest.mark.parametrize('original, resized, padded, pad, minimum', [
    ((480, 640), (480, 640), (512, 672), (16, 16), (480, 640)),
    ((427, 640), (427, 640), (448, 672), (16, 10.5), (448, 640)),
    ((500, 333), (640, 426), (672, 448), (11, 16), (640, 448)),
    ((1080, 1920), (360, 640), (384, 672), (16, 12), (384, 640)),
    ((612, 612), (640, 640), (672, 672), (16, 16), (640, 640)),
])
def test_published_shapes_of_evaluation_and_of_single_images(original, resized, padded, pad, minimum):
    assert padded_shapes([original[0] / original[1]]) == [padded]
    results = YOLOResize()(image(*original))
    assert results['img_shape'] == results['img'].shape[:2] == resized
    alone = RectLetterbox()(dict(results))
    assert alone['img'].shape[:2] == minimum
    results = RectLetterbox()(dict(results, batch_shape=padded))
    assert results['img'].shape[:2] == padded
    left, top, right, bottom = edges(results['img'])
    assert (left, top) == (int(pad[0]), int(pad[1])) == results['pad_param']
    assert (right - left, bottom - top) == (pad[0] % 1 * 2, pad[1] % 1 * 2)
    assert results['scale_factor'] == (resized[1] / original[1], resized[0] / original[0])


@pytest.mark.parametrize('original, padded, pad, factor', [
    ((427, 640), (448, 672), (16, 10.5), 1), ((500, 333), (672, 448), (11, 16), 640 / 500),
    ((30, 3000), (64, 672), (16, 29), 6 / 30),
])
def test_the_published_way_back_has_the_factor_of_the_heights_and_halves_of_pixels(original, padded, pad, factor):
    results = YOLOResize(published_factor=True)(image(*original))
    results = RectLetterbox(published_padding=True)(dict(results, batch_shape=padded))
    assert results['scale_factor'] == (factor, factor) and results['pad_param'] == pad


def test_a_batch_takes_the_shape_that_all_of_it_need():
    wide, tall = 0.5, 2.
    shapes = padded_shapes([wide, 0.75, wide, tall, tall], batch_size=2)
    assert shapes == [(512, 672)] * 2 + [(672, 672)] * 2 + [(672, 352)]


def test_shapes_without_extra_padding_are_the_smallest():
    assert padded_shapes([0.75], size=64, stride=32, pad=0) == [(64, 64)]
    assert padded_shapes([0.5], size=64, stride=32, pad=0) == [(32, 64)]
    # the widest of upright images: ceil(20 + 0.5) * 32 high, ceil(20 / 2 + 0.5) * 32 wide
    assert padded_shapes([2., 4.], batch_size=2) == [(672, 352)] * 2
    assert padded_shapes([0.25, 0.5], batch_size=2) == [(352, 672)] * 2


@pytest.mark.parametrize('width, height', [(640, 480), (1366, 768), (1920, 100), (3000, 30), (100, 1920), (427, 640),
                                           (333, 500), (601, 427), (7, 5)])
@pytest.mark.parametrize('extra', [0, 1, 5])
def test_where_the_image_is_drawn_goes_back_to_its_corners(width, height, extra):
    results = YOLOResize()(image(height, width))
    shape = tuple(-(-side // 32) * 32 + extra for side in results['img_shape'])
    results = RectLetterbox()(results | dict(batch_shape=shape))
    left, top, right, bottom = edges(results['img'])
    drawn = torch.tensor([[left, top, shape[1] - right, shape[0] - bottom]], dtype=torch.float64)
    meta = dict(results, ori_shape=(height, width))
    assert_close(to_original_image(drawn, meta), torch.tensor([[0., 0, width, height]], dtype=torch.float64))


def test_shrinking_takes_areas_at_evaluation_and_lines_in_training():
    stripes = np.zeros((4, 8, 3), np.uint8)
    stripes[:, ::4] = 200  # of each four columns, one
    area = YOLOResize(size=2)(dict(img=stripes.copy()))['img']
    line = YOLOResize(size=2, shrink='linear')(dict(img=stripes.copy()))['img']
    assert (area == 50).all() and (line == 0).all()


def test_small_images_are_enlarged():
    assert YOLOResize(size=64)(image(10, 16))['img'].shape[:2] == (40, 64)


def test_an_image_of_the_right_size_is_not_touched():
    results = image(48, 64)
    assert YOLOResize(size=64)(dict(results))['img'] is results['img']


def test_boxes_and_outlines_that_are_there_move_along():
    boxes, polygons = np.float32([[0, 0, 100, 50]]), np.float32([[[0, 0], [100, 50], [0, 50]]])
    results = image(50, 100) | dict(gt_bboxes=HorizontalBoxes(boxes), gt_polygons=polygons)
    results = YOLOResize(size=51)(results)  # 51 x 25
    assert_close(results['gt_bboxes'].tensor.numpy(), np.float32([[0, 0, 51, 25]]))
    assert_close(results['gt_polygons'], np.float32([[[0, 0], [51, 25], [0, 25]]]))
    results = RectLetterbox(stride=8)(results)  # 56 x 32
    assert_close(results['gt_bboxes'].tensor.numpy(), np.float32([[2, 3, 53, 28]]))


def test_an_image_larger_than_its_batch_shape_is_an_error():
    with pytest.raises(ValueError, match='64 x 64 pixels do not fit'):
        RectLetterbox()(image(64, 64) | dict(batch_shape=(32, 64)))


def test_rejects_an_unknown_interpolation():
    with pytest.raises(ValueError, match='cubic'):
        YOLOResize(shrink='cubic')


def test_annotations_of_evaluation_stay_in_original_pixels_and_may_be_none(tmp_path):
    files = write_coco(tmp_path, [annotation()], sizes=((100, 80), (100, 80)))
    dataset = DATASETS.build(
        dict(type='YOLOCocoDataset', test_mode=True, batch_shapes=dict(batch_size=2), pipeline=TEST_PIPELINE, **files))
    first, second = dataset[0], dataset[1]
    assert_array_equal(first['data_samples'].gt_instances.bboxes.tensor, [[10, 20, 40, 60]])
    assert len(second['data_samples'].gt_instances) == 0
    assert first['inputs'].shape == second['inputs'].shape == (3, 544, 672)
    assert first['data_samples'].metainfo == dict(
        img_id=1, ori_shape=(80, 100), img_shape=(544, 672), scale_factor=(6.4, 6.4), pad_param=(16, 16))


def test_the_pipeline_takes_arrays_as_the_inferencer_gives_them():
    steps = [dict(type='InferencerLoader'), *TEST_PIPELINE[1:3], TEST_PIPELINE[-1]]
    results = image(48, 64)['img']
    for step in steps:
        results = TRANSFORMS.build(step)(results)
    assert results['inputs'].shape == (3, 480, 640)
    assert results['data_samples'].metainfo == dict(
        ori_shape=(48, 64), img_shape=(480, 640), scale_factor=(10, 10), pad_param=(0, 0))
