"""Detections without a pair: which of them a decision on the edge explains."""
import numpy as np
import pytest

from mmdet_ext.export.nms import Rules
from mmdet_ext.export.unpaired import Choice, unexplained
from mmdet_ext.predict import Detections

RULES = Rules(score_thr=0.25, iou_threshold=0.5, max_per_img=3, multi_label=True, class_agnostic=False)
CHOICE = Choice(RULES, most=3)


def made(*rows: tuple[float, float, float]) -> Detections:
    """Boxes of 40 x 20 pixels from left sides, scores and labels."""
    left, scores, labels = np.array(rows, np.float32).reshape(-1, 3).T
    boxes = np.stack([left, left * 0 + 30, left + 40, left * 0 + 50], 1)
    return Detections(boxes, scores, labels.astype(np.int64), list(map(str, labels)), None, (100, 300), None)


def count(first: Detections, second: Detections, alone: tuple[list, list], choice: Choice = CHOICE) -> int:
    return unexplained((first, second), tuple(np.array(rows, bool) for rows in alone), choice)


@pytest.mark.parametrize(('score', 'expected'), [(0.25005, 0), (0.26, 1)])
def test_a_score_at_the_threshold_may_be_missing(score, expected):
    assert count(made((10, score, 0)), made(), ([1], [])) == expected


@pytest.mark.parametrize(('score', 'expected'), [(0.5, 0), (0.51, 1)])
def test_a_score_of_the_last_place_may_be_missing(score, expected):
    full = made((10, 0.9, 0), (60, 0.8, 0), (110, 0.5, 0))
    assert count(made((10, 0.9, 0), (60, 0.8, 0), (200, score, 0)), full, ([0, 0, 1], [0, 0, 1])) == 0 + expected
    assert count(made((200, 0.4, 0)), made((10, 0.9, 0)), ([1], [0])) == 1  # the other list is not full


@pytest.mark.parametrize(('second', 'expected'), [
    ((15, 0.80004, 0), 0),  # of two that overlap and tie, NMS keeps the one that comes first
    ((15, 0.81, 0), 2),  # no tie
    ((15, 0.80004, 1), 2),  # another class
    ((45, 0.80004, 0), 2)])  # they do not overlap
def test_nms_may_keep_either_of_two_that_tie(second, expected):
    assert count(made((10, 0.8, 0)), made(second), ([1], [1])) == expected


@pytest.mark.parametrize(('distance', 'expected'), [(40 / 3, 0), (11, 1), (16, 1)])
def test_a_box_at_the_threshold_of_overlap_may_be_missing(distance, expected):
    first = made((10, 0.8, 0), (10 + distance, 0.6, 0))  # boxes 40 / 3 pixels apart overlap by half of their union
    assert count(first, made((10, 0.8, 0)), ([0, 1], [0])) == expected


def test_what_follows_from_an_explained_one_is_explained():
    first = made((10, 0.8, 0), (30, 0.6, 0))  # without the tie, which kept 15 in its place, 30 would be dropped, too
    second = made((20, 0.80004, 0))
    assert count(first, second, ([1, 1], [1])) == 0
    assert count(first, made((20, 0.9, 0)), ([1, 1], [1])) == 3


def test_without_a_choice_none_may_be_missing():
    assert count(made((10, 0.25, 0)), made(), ([1], []), Choice()) == 1


def test_a_box_that_moved_is_no_tie():
    first, second = made((10, 0.8, 0)), made((11, 0.8, 0))
    boxes, scores = np.concatenate([first.boxes, second.boxes]), np.array([[0.8], [0.8]], np.float32)
    assert count(first, second, ([1], [1]), CHOICE._replace(boxes=boxes, scores=scores)) == 0
    assert count(first, second, ([1], [1]), CHOICE._replace(boxes=boxes[:1], scores=scores[:1])) == 2
