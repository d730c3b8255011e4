import numpy as np
import pytest
from mmdet.structures.bbox import HorizontalBoxes
from mmdet_ext.datasets.transforms import YOLOMixUp, YOLOMosaic
from numpy.testing import assert_array_equal


def picture(value: int, boxes=((1, 2, 3, 4), ), label: int = 0, size: tuple[int, int] = (8, 8)) -> dict:
    """A (height, width) image of one colour."""
    boxes = np.float32(boxes).reshape(-1, 4)
    return dict(
        img=np.full((*size, 3), value, np.uint8), gt_bboxes=HorizontalBoxes(boxes),
        gt_bboxes_labels=np.full(len(boxes), label), gt_ignore_flags=np.zeros(len(boxes), bool))


def mosaic_around(monkeypatch, x: float, y: float, pictures: list[dict]) -> dict:
    """Mosaic of images of size 8 around a point of the canvas of 16."""
    monkeypatch.setattr(np.random, 'uniform', lambda low, high, size: np.array([x, y]))
    first, *others = pictures
    return YOLOMosaic(size=8)(dict(first, mix_results=others))


def test_images_meet_at_the_point_in_reading_order(monkeypatch):
    results = mosaic_around(monkeypatch, 6, 10, [picture(value) for value in (1, 2, 3, 4)])
    expected = np.full((16, 16), 114)
    expected[2:10, :6] = 1
    expected[2:10, 6:14] = 2
    expected[10:, :6] = 3
    expected[10:, 6:14] = 4
    assert_array_equal(results['img'], np.repeat(expected[..., None], 3, axis=2))


def test_boxes_move_with_their_image_and_are_cut_with_it(monkeypatch):
    boxes = ([[0, 2, 3, 4]], [[0, 2, 3, 4]], [[0, 5, 8, 7]], [])
    pictures = [picture(0, rows, label) for label, rows in enumerate(boxes)]
    results = mosaic_around(monkeypatch, 6, 10, pictures)
    assert_array_equal(results['gt_bboxes'].tensor, [[0, 4, 1, 6], [6, 4, 9, 6], [0, 15, 6, 16]])
    assert_array_equal(results['gt_bboxes_labels'], [0, 1, 2])
    assert len(results['gt_ignore_flags']) == 3


def test_a_box_of_which_nothing_is_left_goes(monkeypatch):
    pictures = [picture(0, [[0, 2, 2, 4], [2, 2, 3, 4]]), *[picture(0, []) for _ in range(3)]]
    results = mosaic_around(monkeypatch, 6, 10, pictures)  # the first image loses two columns
    assert_array_equal(results['gt_bboxes'].tensor, [[0, 4, 1, 6]])


def test_outlines_move_with_the_boxes(monkeypatch):
    pictures = []
    for has_outline in (True, False, False, False):
        outline = np.float32([[[1, 2], [3, 2], [3, 4]]])
        pictures.append(picture(0) | dict(gt_polygons=outline if has_outline else np.full_like(outline, np.nan)))
    results = mosaic_around(monkeypatch, 6, 10, pictures)
    assert_array_equal(results['gt_polygons'][0], [[0, 4], [1, 4], [1, 6]])
    assert np.isnan(results['gt_polygons'][1:]).all()


def test_the_point_lies_in_the_middle_half_of_the_canvas():
    np.random.seed(0)
    seen = []
    for _ in range(200):
        results = YOLOMosaic(size=8)(dict(picture(1, []), mix_results=[picture(value, []) for value in (2, 3, 4)]))
        seen.append(np.argwhere(results['img'][..., 0] == 4)[0])
    assert_array_equal(np.min(seen, axis=0), [4, 4])
    assert_array_equal(np.max(seen, axis=0), [11, 11])


def test_images_of_other_shapes_and_without_boxes_are_fine():
    np.random.seed(0)
    pictures = [picture(value, [], size=size) for value, size in ((1, (8, 5)), (2, (3, 8)), (3, (8, 8)), (4, (1, 8)))]
    results = YOLOMosaic(size=8)(dict(pictures[0], mix_results=pictures[1:]))
    assert results['img'].shape == (16, 16, 3) and results['gt_bboxes'].tensor.shape == (0, 4)


def test_mosaic_asks_for_three_more_images():
    np.random.seed(0)
    indexes = YOLOMosaic().get_indexes(range(5))
    assert len(indexes) == 3 and all(0 <= index < 5 for index in indexes)


def test_mosaic_of_one_image_is_an_error():
    with pytest.raises(ValueError, match='mix_results of 3 images, got 0'):
        YOLOMosaic(size=8)(picture(1))


def test_images_with_and_without_outlines_loaded_are_an_error():
    with pytest.raises(ValueError, match='gt_polygons'):
        YOLOMosaic(size=8)(dict(picture(1), mix_results=[
            picture(2) | dict(gt_polygons=np.zeros((1, 3, 2), np.float32)), picture(3), picture(4)]))


def take_first(results: dict) -> dict:
    """Stands for what makes the second image of four."""
    assert len(results['mix_results']) == 3
    return results


def test_mixup_blends_by_its_weight_and_keeps_all_boxes(monkeypatch):
    monkeypatch.setattr(np.random, 'beta', lambda a, b: 0.25)
    mixup = YOLOMixUp(prob=1.)
    mixup.transforms = take_first
    results = mixup(picture(100, label=1) | dict(mix_results=[picture(200, [[0, 0, 8, 8]], 5), *[picture(0)] * 3]))
    assert (results['img'] == 175).all()
    assert_array_equal(results['gt_bboxes'].tensor, [[1, 2, 3, 4], [0, 0, 8, 8]])
    assert_array_equal(results['gt_bboxes_labels'], [1, 5])


def test_mixup_with_an_empty_image_keeps_the_boxes_of_the_other():
    mixup = YOLOMixUp(prob=1.)
    mixup.transforms = take_first
    results = mixup(picture(100, []) | dict(mix_results=[picture(200), *[picture(0)] * 3]))
    assert len(results['gt_bboxes']) == len(results['gt_bboxes_labels']) == 1


def test_mixup_without_a_second_image_changes_nothing():
    results = picture(7)
    assert YOLOMixUp(prob=1.)(results | dict(mix_results=[]))['img'] is results['img']


@pytest.mark.parametrize('prob, asked', [(0., 0), (1., 4)])
def test_mixup_asks_for_four_images_with_its_probability(prob, asked):
    assert {len(YOLOMixUp(prob=prob).get_indexes(range(3))) for _ in range(20)} == {asked}


def test_mixup_of_different_sizes_is_an_error():
    mixup = YOLOMixUp(prob=1.)
    mixup.transforms = take_first
    with pytest.raises(ValueError, match=r'\(8, 8\) and \(4, 8\)'):
        mixup(picture(1) | dict(mix_results=[picture(2, size=(4, 8)), *[picture(0)] * 3]))


def test_rejects_a_probability_above_1():
    with pytest.raises(ValueError, match='prob must be between 0 and 1, got 1.5'):
        YOLOMixUp(prob=1.5)
