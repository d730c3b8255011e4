"""TIDE's kinds of mistakes."""
import numpy as np
import pytest
from report_scenes import image_of, random_results, results_of

from mmdet_ext.report.matching import match
from mmdet_ext.report.mistakes import (
    BACKGROUND, BOTH, CLASS, KINDS, MISSED, PLACE, TWICE, find_mistakes, missed_objects)

BOX, SHIFTED, FAR = (0, 0, 10, 10), (0, 0, 10, 3), (50, 50, 60, 60)  # the second: IoU 0.3 with the first


def mistakes_of(truth, detections, **kwargs):
    matches = match(results_of(image_of(truth, detections, **kwargs)))
    return matches, find_mistakes(matches, 2)


@pytest.mark.parametrize('detection, kind, target', [
    ((*BOX, 0, 0.5), -1, -1), ((*BOX, 1, 0.5), CLASS, 0), ((*SHIFTED, 0, 0.5), PLACE, 0), ((*SHIFTED, 1, 0.5), BOTH, 0),
    ((*FAR, 0, 0.5), BACKGROUND, -1), ((0, 0, 10, 0.9, 0, 0.5), BACKGROUND, -1), ((0, 0, 10, 1.1, 0, 0.5), PLACE, 0)])
def test_the_kind_of_one_detection_of_one_object(detection, kind, target):
    _, mistakes = mistakes_of([(*BOX, 0)], [detection])
    assert mistakes.kind.tolist() == [kind] and mistakes.target.tolist() == [target]


def test_a_second_detection_of_an_object_is_one_too_many():
    _, mistakes = mistakes_of([(*BOX, 0)], [(*BOX, 0, 0.9), (*BOX, 0, 0.8)])
    assert mistakes.kind.tolist() == [-1, TWICE] and mistakes.target.tolist() == [-1, 0]


def test_a_place_is_tested_before_a_class_and_a_class_before_a_second_time():
    truth = [(*BOX, 0), (0, 0, 10, 9, 1)]
    _, mistakes = mistakes_of(truth, [(*BOX, 0, 0.9), (*BOX, 0, 0.8), (0, 0, 10, 4.6, 0, 0.7)])
    assert mistakes.kind.tolist() == [-1, CLASS, PLACE]


def test_objects_without_any_detection_near_them_are_missed():
    matches, mistakes = mistakes_of([(*BOX, 0), (*FAR, 0), (20, 20, 30, 30, 1)], [(*SHIFTED, 0, 0.9), (*FAR, 1, 0.2)])
    assert missed_objects(matches, mistakes.kind, mistakes.target).tolist() == [False, False, True]
    assert missed_objects(matches, mistakes.kind, mistakes.target, 0.5).tolist() == [False, True, True]


def test_crowds_are_not_missed_and_detections_on_them_no_mistakes():
    matches, mistakes = mistakes_of([(*BOX, 0)], [(*BOX, 0, 0.9), (*FAR, 0, 0.8)], crowds=[0])
    assert mistakes.kind.tolist() == [-1, BACKGROUND] and mistakes.ap50 is None
    assert not missed_objects(matches, mistakes.kind, mistakes.target).any()
    assert set(mistakes.costs.values()) == {None}


def test_costs_worked_out_by_hand():
    """Two objects of class 0; by score: in a wrong place, right, of nothing. AP50: precision 1/2 to recall 1/2."""
    _, mistakes = mistakes_of([(*BOX, 0), (*FAR, 0)],
                              [(*SHIFTED, 0, 0.9), (*FAR, 0, 0.8), (80, 80, 90, 90, 0, 0.7)])
    assert mistakes.ap50 == pytest.approx(51 / 101 / 2)
    expected = dict.fromkeys((*KINDS, MISSED), 0) | {'wrong place': 1 - 51 / 202}
    assert mistakes.costs == pytest.approx(expected)


def test_the_cost_of_detections_of_nothing_and_of_missed_objects():
    """By score: of nothing, right; an object is missed."""
    _, mistakes = mistakes_of([(*BOX, 0), (*FAR, 0)], [(80, 80, 90, 90, 0, 0.9), (*BOX, 0, 0.8)])
    half = 51 / 101
    assert mistakes.ap50 == pytest.approx(half / 2)
    assert mistakes.costs['background'] == pytest.approx(half / 2)
    assert mistakes.costs[MISSED] == pytest.approx(1 / 2 - half / 2)


def test_of_two_detections_for_one_object_the_better_one_is_corrected():
    """A wrong class with 0.9 and a wrong place with 0.8 are both of one object: only the first can become right."""
    _, mistakes = mistakes_of([(*BOX, 0)], [(*BOX, 1, 0.9), (*SHIFTED, 0, 0.8)])
    assert mistakes.ap50 == 0
    assert mistakes.costs['wrong class'] == pytest.approx(1) and mistakes.costs['wrong place'] == 0


def test_an_object_found_as_well_as_mistaken_gains_nothing_but_the_mistake_goes():
    _, mistakes = mistakes_of([(*BOX, 0), (*FAR, 1)], [(*BOX, 1, 0.9), (*BOX, 0, 0.8), (*FAR, 1, 0.7)])
    assert mistakes.ap50 == pytest.approx((1 + 1 / 2) / 2) and mistakes.costs['wrong class'] == pytest.approx(1 / 4)


def test_a_class_of_which_all_are_missed_stays_at_0_while_it_has_wrong_detections():
    truth = [(*BOX, 0), (*FAR, 1)]
    _, with_wrong = mistakes_of(truth, [(*BOX, 0, 0.9), (80, 80, 90, 90, 1, 0.5)])
    _, without = mistakes_of(truth, [(*BOX, 0, 0.9)])
    assert with_wrong.ap50 == without.ap50 == pytest.approx(0.5)
    assert with_wrong.costs[MISSED] == 0 and without.costs[MISSED] == pytest.approx(0.5)


@pytest.mark.parametrize('seed', range(2))
def test_no_correction_makes_ap_worse_and_every_wrong_detection_has_a_kind(seed):
    matches = match(random_results(seed))
    mistakes = find_mistakes(matches, 4)
    assert ((mistakes.kind >= 0) == matches.detected.wrong).all() and set(range(5)) <= set(mistakes.kind.tolist())
    assert min(mistakes.costs.values()) >= 0 and max(mistakes.costs.values()) < 1
    assert np.isfinite(mistakes.ap50)
