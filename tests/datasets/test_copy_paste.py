import numpy as np
import pytest
from mmdet.structures.bbox import HorizontalBoxes
from mmdet_ext.datasets.transforms import YOLOCopyPaste
from mmdet_ext.datasets.transforms.copy_paste import covered_shares, paste_mirrored
from numpy.testing import assert_allclose, assert_array_equal


def rectangle(x1: float, y1: float, x2: float, y2: float) -> np.ndarray:
    return np.float32([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])


def image(boxes, polygons=None) -> dict:
    """40 pixels wide, 20 high, with a colour that tells the column."""
    boxes = np.float32(boxes).reshape(-1, 4)
    img = np.broadcast_to(np.arange(40, dtype=np.uint8)[None, :, None], (20, 40, 3)).copy()
    if polygons is None:
        polygons = np.float32([rectangle(*box) for box in boxes]).reshape(-1, 4, 2)
    return dict(img=img, gt_bboxes=HorizontalBoxes(boxes), gt_bboxes_labels=np.arange(len(boxes)), gt_polygons=polygons)


def test_an_instance_appears_at_the_mirrored_place():
    results = YOLOCopyPaste(prob=1.)(image([[2, 4, 10, 12]]))
    assert_array_equal(results['gt_bboxes'].tensor, [[2, 4, 10, 12], [30, 4, 38, 12]])
    assert_array_equal(results['gt_polygons'][1], [[38, 4], [30, 4], [30, 12], [38, 12]])
    assert_array_equal(results['gt_bboxes_labels'], [0, 0])
    expected = np.arange(40)
    expected[30:39] = 39 - np.arange(30, 39)  # fillPoly draws the outline too
    assert_array_equal(results['img'][8, :, 0], expected)
    assert_array_equal(results['img'][14, :, 0], np.arange(40))


def test_an_instance_that_would_hide_a_box_is_not_pasted():
    hidden, hardly = [30, 4, 34, 12], [37, 4, 40, 14]
    assert len(YOLOCopyPaste(prob=1.)(image([[2, 4, 10, 12], hidden], None))['gt_bboxes']) == 2
    assert len(YOLOCopyPaste(prob=1.)(image([[2, 4, 10, 12], hardly], None))['gt_bboxes']) == 4


def test_an_instance_in_the_middle_would_hide_itself():
    results = image([[15, 4, 25, 12]])
    img = results['img'].copy()
    results = YOLOCopyPaste(prob=1.)(results)
    assert len(results['gt_bboxes']) == 1
    assert_array_equal(results['img'], img)


def test_the_share_is_that_of_the_instances_that_may_be_pasted():
    may, may_not = [[0, y, 5, y + 1] for y in range(10)], [[15, y, 25, y + 1] for y in range(10)]
    results = YOLOCopyPaste()(image(may_not + may))
    assert len(results['gt_bboxes']) == 20 + 3  # 30 % of 10, not of 20
    assert (results['gt_bboxes_labels'][20:] >= 10).all()


def test_two_instances_at_one_place_are_both_pasted():
    results = YOLOCopyPaste(prob=1.)(image([[2, 4, 10, 12], [2, 4, 10, 12]]))
    assert len(results['gt_bboxes']) == 4


@pytest.mark.parametrize('prob, pasted', [(0., 0), (0.3, 1), (0.4, 2), (0.5, 2), (1., 4)])
def test_the_share_of_instances_is_pasted(prob, pasted):
    results = YOLOCopyPaste(prob)(image([[0, y, 5, y + 5] for y in (0, 5, 10, 15)]))
    assert len(results['gt_bboxes']) == 4 + pasted


def test_only_instances_with_a_polygon_are_pasted():
    polygons = np.float32([np.full((4, 2), np.nan), rectangle(0, 10, 5, 15)])
    results = YOLOCopyPaste(prob=1.)(image([[0, 0, 5, 5], [0, 10, 5, 15]], polygons))
    assert_array_equal(results['gt_bboxes_labels'], [0, 1, 1])


def test_without_polygons_or_boxes_nothing_happens():
    boxes_only = image([[2, 4, 10, 12]])
    del boxes_only['gt_polygons']
    assert len(YOLOCopyPaste(prob=1.)(boxes_only)['gt_bboxes']) == 1
    assert len(YOLOCopyPaste(prob=1.)(image([]))['gt_bboxes']) == 0


def test_pasting_twice_at_one_place_is_pasting_once():
    img = np.random.default_rng(0).integers(0, 255, (20, 40, 3), np.uint8)
    polygon = rectangle(-3, 3, 20, 30)[None]
    once = paste_mirrored(img, polygon)
    assert_array_equal(paste_mirrored(img, np.concatenate([polygon, polygon])), once)
    assert_array_equal(once[3:, :20], img[3:, 20:][:, ::-1])
    assert_array_equal(once[:3], img[:3])


def test_an_outline_outside_pastes_nothing():
    img = np.random.default_rng(0).integers(0, 255, (20, 40, 3), np.uint8)
    assert_array_equal(paste_mirrored(img, rectangle(40, 3, 45, 9)[None]), img)


def test_covered_shares_by_hand():
    boxes = np.float32([[0, 0, 4, 4], [2, 2, 6, 6], [9, 9, 12, 12], [1, 1, 2, 2]])
    assert_allclose(covered_shares(np.float32([0, 0, 4, 4]), boxes), [1, 0.25, 0, 1])


def test_rejects_a_negative_share():
    with pytest.raises(ValueError, match='prob must be between 0 and 1, got -1'):
        YOLOCopyPaste(-1)
