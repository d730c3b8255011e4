import numpy as np
import pytest
from mmdet.structures.bbox import HorizontalBoxes
from mmdet_ext.datasets.transforms import YOLOAffine
from numpy.testing import assert_allclose, assert_array_equal

SQUARE = np.float32([[0, 0], [1, 0], [1, 1], [0, 1]])


def picture(boxes, size: tuple[int, int] = (200, 200), polygons: np.ndarray | None = None) -> dict:
    boxes = np.float32(boxes).reshape(-1, 4)
    img = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    results = dict(img=img, gt_bboxes=HorizontalBoxes(boxes), gt_bboxes_labels=np.arange(len(boxes)))
    return results if polygons is None else results | dict(gt_polygons=np.float32(polygons))


def outline(x1: float, y1: float, x2: float, y2: float, per_side: int = 100) -> np.ndarray:
    """Points (400, 2) on the outline of the diamond inside a box."""
    corners = np.array([[(x1 + x2) / 2, y1], [x2, (y1 + y2) / 2], [(x1 + x2) / 2, y2], [x1, (y1 + y2) / 2]])
    steps = np.linspace(0, 1, per_side)[:, None]
    return np.concatenate([a + steps * (b - a) for a, b in zip(corners, np.roll(corners, -1, axis=0))])


def test_without_ranges_it_crops_the_middle():
    results = picture([[60, 60, 90, 90], [0, 0, 160, 100]])
    img = results['img'].copy()
    results = YOLOAffine((100, 100), scale=0, translate=0)(results)
    assert_array_equal(results['img'], img[50:150, 50:150])
    assert results['img_shape'] == (100, 100)
    assert_allclose(results['gt_bboxes'].tensor, [[10, 10, 40, 40], [0, 0, 100, 50]])


def test_without_ranges_a_small_image_is_letterboxed():
    results = picture([[0, 0, 60, 40]], size=(40, 60))
    img = results['img'].copy()
    results = YOLOAffine((60, 60), scale=0, translate=0)(results)
    assert_array_equal(results['img'][10:50], img)
    assert (results['img'][:10] == 114).all() and (results['img'][50:] == 114).all()
    assert_allclose(results['gt_bboxes'].tensor, [[0, 10, 60, 50]])


def test_of_odd_padding_less_is_left_and_above():
    results = picture([[0, 0, 60, 40]], size=(40, 60))
    img = results['img'].copy()
    results = YOLOAffine((61, 61), scale=0, translate=0)(results)  # pads 0.5 and 10.5 pixels: 0 left, 10 above
    assert_array_equal(results['img'][10:50, :60], img)
    assert (results['img'][:10] == 114).all() and (results['img'][50:] == 114).all()
    assert (results['img'][:, 60:] == 114).all()
    assert_allclose(results['gt_bboxes'].tensor, [[0, 10, 60, 50]])


@pytest.mark.parametrize('seed', range(5))
@pytest.mark.parametrize('height, top', [(40, 10), (41, 9)])  # of 19 pixels of padding 9 are above
def test_the_same_as_letterbox_then_affine_about_the_square(seed, height, top):
    alone = picture([[3, 4, 50, 30]], size=(height, 60))
    square = picture([[3, 4 + top, 50, 30 + top]], size=(60, 60))
    square['img'][:] = 114
    square['img'][top:top + height] = alone['img']
    affine = YOLOAffine((60, 60))
    moved = []
    for results in (alone, square):
        np.random.seed(seed)
        moved.append(affine(results))
    assert_allclose(moved[0]['img'].astype(int), moved[1]['img'].astype(int), atol=1)
    assert_allclose(moved[0]['gt_bboxes'].tensor, moved[1]['gt_bboxes'].tensor, atol=1e-4)


def test_scale_and_translation_by_hand(monkeypatch):
    draws = iter([0.5, np.array([0.4, 0.6])])
    monkeypatch.setattr(np.random, 'uniform', lambda *args: next(draws))
    results = YOLOAffine((100, 200))(picture([[100, 100, 180, 140]]))
    # half the size, and the centre (100, 100) comes to (0.4 * 100, 0.6 * 200)
    assert_allclose(results['gt_bboxes'].tensor, [[40, 120, 80, 140]])
    assert results['img'].shape == (200, 100, 3)


def test_scale_and_translation_have_the_published_ranges():
    np.random.seed(0)
    affine = YOLOAffine((100, 100), min_side=0)
    boxes = [affine(picture([[99, 99, 101, 101]]))['gt_bboxes'].tensor[0].numpy() for _ in range(500)]
    boxes = np.stack(boxes)
    scale, center = (boxes[:, 2] - boxes[:, 0]) / 2, (boxes[:, :2] + boxes[:, 2:]) / 2
    assert 0.1 <= scale.min() < 0.12 and 1.88 < scale.max() <= 1.9
    assert 39.9 < center.min() < 41 and 59 < center.max() < 60.1


@pytest.mark.parametrize('box, kept', [
    ((50, 50, 52.1, 90), True),
    ((50, 50, 52, 90), False),  # 2 pixels wide
    ((50, 60, 150, 62), False),  # 2 pixels high
    ((-40, 60, 70, 70), True),  # 20 of 110 pixels are visible
    ((-250, 60, 60, 70), False),  # 10 of 310
    ((0, 60, 500, 63), True),
    ((40, 60, 900, 160), True),  # 100 x 90 of 860 x 100
    ((40, 60, 1000, 160), False),  # of 960 x 100
])
def test_boxes_worth_keeping_by_hand(box, kept):
    results = YOLOAffine((100, 100), scale=0, translate=0)(picture([box]))  # sees 50 to 150
    assert len(results['gt_bboxes']) == len(results['gt_bboxes_labels']) == kept


def test_a_box_100_times_as_long_as_high_goes():
    for height, kept in ((3, 1), (2.9, 0)):
        results = YOLOAffine((299, 100), scale=0, translate=0)(picture([[0, 50, 299, 50 + height]], size=(100, 299)))
        assert len(results['gt_bboxes']) == kept


def test_a_box_by_its_polygon_is_tighter():
    diamond = (0, 50, 100, 150)  # seen from x = 50 on
    results = picture([diamond, diamond], polygons=[outline(*diamond), np.full((400, 2), np.nan)])
    results = YOLOAffine((100, 100), scale=0, translate=0)(results)
    assert_allclose(results['gt_bboxes'].tensor, [[0, 0, 50, 100], [0, 0, 50, 100]], atol=0.6)
    results = picture([diamond, diamond], polygons=[outline(*diamond) + [-25, 0], np.full((400, 2), np.nan)])
    results = YOLOAffine((100, 100), scale=0, translate=0)(results)  # of the diamond, 25 columns
    assert_allclose(results['gt_bboxes'].tensor, [[0, 25, 25, 75], [0, 0, 50, 100]], atol=0.6)
    assert 'gt_polygons' not in results


def test_a_polygon_outside_takes_its_instance_with_it():
    results = picture([[60, 60, 90, 90]] * 2, polygons=[outline(-90, 0, 40, 40), outline(60, 60, 90, 90)])
    results = YOLOAffine((100, 100), scale=0, translate=0)(results)
    assert_array_equal(results['gt_bboxes_labels'], [1])


def test_a_small_rest_is_kept_by_polygon_only():
    box = (-250, 60, 60, 70)  # 10 of 310 pixels are visible
    rectangle = np.float32([[-250, 60], [60, 60], [60, 70], [50, 70], [50, 60], [-250, 70]])
    results = picture([box, box], polygons=[rectangle, np.full_like(rectangle, np.nan)])
    results = YOLOAffine((100, 100), scale=0, translate=0)(results)
    assert_array_equal(results['gt_bboxes_labels'], [0])
    assert_allclose(results['gt_bboxes'].tensor, [[0, 10, 10, 20]])


@pytest.mark.parametrize('polygons', [None, np.zeros((0, 400, 2))])
def test_an_image_without_boxes_stays_without(polygons):
    results = YOLOAffine((100, 100))(picture([], polygons=polygons))
    assert results['gt_bboxes'].tensor.shape == (0, 4) and results['gt_bboxes_labels'].shape == (0, )


def test_rejects_a_scale_that_could_be_0():
    with pytest.raises(ValueError, match='scale must be at least 0 and below 1, got 1'):
        YOLOAffine(scale=1)
