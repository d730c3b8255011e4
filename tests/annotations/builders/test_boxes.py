import numpy as np
import pytest

from mmdet_ext.annotations.builders.boxes import iou_matrix, merge_boxes


def test_iou_and_giou_by_hand():
    boxes, others = np.array([[0, 0, 10, 10]]), np.array([[0, 0, 10, 5], [20, 0, 30, 10], [0, 0, 10, 10]])
    np.testing.assert_array_equal(iou_matrix(boxes, others), [[0.5, 0, 1]])
    np.testing.assert_allclose(iou_matrix(boxes, others, generalized=True), [[0.5, -1 / 3, 1]], rtol=1e-15)


def test_a_chain_of_overlaps_is_one_group():
    boxes = np.array([[0., 0, 10, 10], [50, 50, 60, 60], [2, 0, 12, 10], [4, 0, 14, 10]])
    assert merge_boxes(boxes, 0.6) == [[0, 2, 3], [1]]  # 0 and 3: 6 / 14
    assert merge_boxes(boxes, 0.7) == [[0], [1], [2], [3]]


@pytest.mark.parametrize('width', [50, 70, 95])
def test_an_iou_of_exactly_the_threshold_merges(width):
    assert merge_boxes(np.array([[0, 0, 100, 10], [0, 0, width, 10]]), width / 100) == [[0, 1]]


def test_groups_are_those_of_a_search_through_the_graph():
    corners = np.random.rand(40, 2) * 30
    boxes = np.concatenate([corners, corners + 10], axis=1)
    near = iou_matrix(boxes, boxes) >= 0.3
    left, expected = list(range(40)), []
    while left:
        group = [left[0]]
        for member in group:
            group += [other for other in left if near[member, other] and other not in group]
        left = [index for index in left if index not in group]
        expected.append(sorted(group))
    assert merge_boxes(boxes, 0.3) == expected
    assert 1 < len(expected) < 40


def test_no_boxes_are_no_groups():
    assert merge_boxes(np.zeros((0, 4)), 0.5) == []
    assert iou_matrix(np.zeros((0, 4)), np.ones((2, 4))).shape == (0, 2)
