"""Precision, recall and F1 over the threshold."""
import numpy as np
import pytest
from report_scenes import image_of, random_results, results_of

from mmdet_ext.report.curves_of_scores import best_index, score_curves
from mmdet_ext.report.matching import match

BOX, FAR = (0, 0, 10, 10), (50, 50, 60, 60)
# two objects; by score: right, wrong, right
RESULTS = results_of(image_of([(*BOX, 0), (*FAR, 0)],
                              [(*BOX, 0, 0.9), (20, 20, 30, 30, 0, 0.6), (*FAR, 0, 0.3)]), num_classes=2)


def at(curves, threshold: float) -> tuple[float, float, float]:
    index = np.searchsorted(curves.thresholds, threshold)
    return curves.precision[0, index], curves.recall[0, index], curves.f1[0, index]


def test_values_worked_out_by_hand():
    curves = score_curves(match(RESULTS), 2)
    assert at(curves, 0.8) == pytest.approx((1, 1 / 2, 2 / 3))
    assert at(curves, 0.5) == pytest.approx((1 / 2, 1 / 2, 1 / 2))
    assert at(curves, 0.2) == pytest.approx((2 / 3, 1, 4 / 5))
    assert np.isnan(at(curves, 0.95)[0]) and at(curves, 0.95)[1:] == (0, 0)


def test_a_class_without_objects_has_no_recall_and_no_f1_and_no_part_in_the_mean():
    curves = score_curves(match(RESULTS), 2)
    assert np.isnan(curves.recall[1]).all() and np.isnan(curves.f1[1]).all() and curves.best_of(1) is None
    assert curves.best == curves.best_of(0)
    assert 0.1 < curves.thresholds[curves.best] < 0.2  # in the middle of 0 to 0.3, where all detections count


def test_nothing_right_has_no_best_threshold():
    assert score_curves(match(results_of(image_of([(*BOX, 0)], [(*FAR, 0, 0.5)]))), 2).best is None
    assert score_curves(match(results_of(image_of([(*BOX, 0)]))), 2).best is None
    assert score_curves(match(results_of(image_of())), 2).best is None


def test_low_scores_have_thresholds_of_their_own():
    curves = score_curves(match(results_of(image_of([(*BOX, 0)], [(*BOX, 0, 0.004), (*FAR, 0, 0.003)]))), 2)
    assert curves.thresholds[-1] == pytest.approx(0.004) and 0.003 < curves.thresholds[curves.best] <= 0.004
    assert curves.f1[0, curves.best] == 1


def test_the_slow_way_gives_the_same():
    results = random_results(5, num_images=10)
    matches, curves = match(results), score_curves(match(results), 4, steps=20)
    detected = matches.detected
    for label in range(4):
        for index, threshold in enumerate(curves.thresholds):
            used = (detected.label == label) & (detected.score >= threshold) & ~detected.ignored
            right, objects = (used & detected.right).sum(), matches.truths.counts(4)[label]
            assert curves.recall[label, index] == pytest.approx(right / objects)
            assert curves.f1[label, index] == pytest.approx(2 * right / (objects + used.sum()))
            if used.any():
                assert curves.precision[label, index] == pytest.approx(right / used.sum())


@pytest.mark.parametrize('values, index', [([0, 3, 3, 3, 1], 2), ([5, 1], 0), ([1, 2, 1, 2], 1), ([1, 2, 2], 1),
                                           ([np.nan, 1, 1, 1], 2), ([2, 2, 2], 1)])
def test_the_best_index_is_the_middle_of_the_first_best_row(values, index):
    assert best_index(np.array(values, float)) == index
