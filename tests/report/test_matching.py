"""Detections matched to objects."""
import numpy as np
import pytest
from report_scenes import image_of, random_results, results_of

from mmdet_ext.report.average_precision import class_ap, evaluate
from mmdet_ext.report.matching import match
from mmdet_ext.report.mistakes import average_precisions

BOX, HALF, FAR = (0, 0, 10, 10), (0, 0, 10, 5), (50, 50, 60, 60)  # IoU of the first two: exactly 0.5


def truths_of(results):
    return match(results).detected.truth.tolist()


def test_the_best_score_gets_the_object_and_the_next_one_nothing():
    results = results_of(image_of([(*BOX, 0)], [(*BOX, 0, 0.6), (0, 0, 10, 9, 0, 0.9)]))
    matches = match(results)
    assert matches.detected.truth.tolist() == [0, -1] and matches.truths.detection.tolist() == [0]
    assert matches.detected.row.tolist() == [0, 1]  # by descending score


def test_a_detection_takes_the_free_object_with_the_largest_iou():
    truth = [(0, 0, 10, 8, 0), (*BOX, 0)]
    assert truths_of(results_of(image_of(truth, [(*BOX, 0, 0.9), (*BOX, 0, 0.8), (*BOX, 0, 0.7)]))) == [1, 0, -1]


def test_of_objects_with_equal_iou_the_last_is_taken_as_in_coco():
    assert truths_of(results_of(image_of([(*BOX, 0), (*BOX, 0)], [(*BOX, 0, 0.9)]))) == [1]


def test_an_iou_of_one_half_is_enough_and_less_is_not():
    assert truths_of(results_of(image_of([(*BOX, 0)], [(*HALF, 0, 0.9)]))) == [0]
    assert truths_of(results_of(image_of([(*BOX, 0)], [(0, 0, 10, 4.99, 0, 0.9)]))) == [-1]


def test_another_class_and_another_image_are_not_matched():
    results = results_of(image_of([(*BOX, 0)], [(*BOX, 1, 0.9)]), image_of([(*FAR, 0)], [(*BOX, 0, 0.9)]))
    assert truths_of(results) == [-1, -1]


def test_detections_on_a_crowd_are_neither_right_nor_wrong_however_many():
    crowd = (0, 0, 40, 40, 0)
    detections = [(*BOX, 0, 0.9), (20, 20, 30, 30, 0, 0.8), (*FAR, 0, 0.7), (*BOX, 1, 0.6)]
    matches = match(results_of(image_of([crowd], detections, crowds=[0])))
    assert matches.detected.ignored.tolist() == [True, True, False, False]
    assert not matches.detected.right.any() and matches.detected.wrong.tolist() == [False, False, True, True]
    assert matches.truths.counts(2).tolist() == [0, 0]


def test_an_object_in_a_crowd_is_matched_before_the_crowd():
    matches = match(results_of(image_of([(0, 0, 40, 40, 0), (*BOX, 0)], [(*BOX, 0, 0.9)], crowds=[0])))
    assert matches.detected.truth.tolist() == [1] and not matches.detected.ignored.any()


def test_a_hundred_detections_of_a_class_count_in_an_image():
    detections = [(*FAR, 0, 0.5 + 0.001 * number) for number in range(130)] + [(*FAR, 1, 0.1)]
    matches = match(results_of(image_of([(*BOX, 0)], [*detections, (*BOX, 0, 0.2)])))
    assert np.bincount(matches.detected.label).tolist() == [100, 1] and matches.detected.score[:100].min() > 0.52
    assert not matches.detected.right.any()


def test_labels_of_no_class_are_an_error():
    with pytest.raises(ValueError, match='labels should be indices of 2 classes, got 0 to 2'):
        match(results_of(image_of([], [(*BOX, 0, 0.9), (*BOX, 2, 0.9)])))


@pytest.mark.parametrize('seed', range(3))
def test_ap50_of_the_matches_is_that_of_coco(seed):
    results = random_results(seed)
    matches = match(results)
    counted = ~matches.detected.ignored
    values = (matches.detected.label, matches.detected.score, matches.detected.right)
    aps = average_precisions(*(value[counted] for value in values), matches.truths.counts(4))
    expected = class_ap(evaluate(results))
    np.testing.assert_allclose(aps, expected[:, 1], atol=1e-9)
    assert (expected[:, 0] < expected[:, 1]).all()


def test_nothing_at_all_is_matched_too():
    matches = match(results_of(image_of(), image_of()))
    assert len(matches.detected.label) == len(matches.truths.label) == len(matches.pairs.iou) == 0
