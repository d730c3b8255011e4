"""The comparison of two lists of detections, and what counts as agreement."""
import numpy as np
import pytest

from mmdet_ext.export.check import Difference, agrees, difference, milliseconds
from mmdet_ext.predict import Detections


def made(boxes: list, scores: list, labels: list) -> Detections:
    return Detections(np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32),
                      np.array(labels, np.int64), list(map(str, labels)), None, (100, 100), None)


BOXES = [[0, 0, 10, 10], [20, 20, 40, 40], [50, 50, 60, 90]]


def test_the_largest_differences_of_pairs_are_given_whatever_their_order():
    first = made(BOXES, [0.9, 0.8, 0.7], [0, 1, 1])
    second = made([BOXES[2], [20, 20, 40.03, 40], BOXES[0]], [0.7, 0.8, 0.9005], [1, 1, 0])
    result = difference(first, second)
    assert result.pairs == 3 and result.alone == 0
    assert result.boxes == pytest.approx(0.03, abs=1e-4) and result.scores == pytest.approx(0.0005, abs=1e-6)
    assert agrees(result, 'fp32')


def test_a_box_of_another_class_or_place_has_no_pair():
    first = made(BOXES, [0.9, 0.8, 0.7], [0, 1, 1])
    second = made([BOXES[0], [22, 20, 40, 40], BOXES[2]], [0.9, 0.8, 0.7], [1, 1, 1])
    result = difference(first, second)
    assert (result.pairs, result.alone, result.unexplained) == (1, 4, 4)
    assert not agrees(result, 'fp32')


def test_a_detection_is_in_one_pair_only():
    twice, once = made([BOXES[0]] * 2, [0.9, 0.9], [0, 0]), made(BOXES[:1], [0.9], [0])
    assert difference(twice, once)[2:4] == difference(once, twice)[2:4] == (1, 1)


def test_no_detections_agree_with_none():
    nothing = made([], [], [])
    assert difference(nothing, nothing) == Difference(0, 0, 0, 0, 0)
    assert agrees(difference(nothing, nothing), 'fp32')
    assert not agrees(difference(nothing, made(BOXES, [0.9, 0.8, 0.7], [0, 1, 1])), 'fp32')


def test_half_precision_may_move_boxes_by_pixels():
    moved = Difference(2.0, 0.01, 10, 0, 0)
    assert agrees(moved, 'fp16') and not agrees(moved, 'fp32')
    assert not agrees(Difference(float('nan'), 0, 10, 0, 0), 'fp16')


def test_times_are_of_each_function():
    calls = []
    times = milliseconds(dict(a=lambda: calls.append('a'), b=lambda: calls.append('b')), repeats=3)
    assert set(times) == {'a', 'b'} and calls == list('aabb') + list('ab') * 3
