"""Recall worked out by hand."""
import torch
from mmdet_ext.evaluation.phrase_recall import phrase_hits, phrase_target, rank_boxes, recall
from torch.testing import assert_close

BOXES = torch.tensor([[0., 0, 4, 4], [4, 0, 8, 4], [0, 4, 4, 8]])


def test_boxes_are_ranked_for_each_phrase_and_equal_scores_keep_their_order():
    scores = torch.tensor([[0.1, 0.5], [0.9, 0.5], [0.5, 0.6]])
    assert_close(rank_boxes(BOXES, scores), torch.stack([BOXES[[1, 2, 0]], BOXES[[2, 0, 1]]]))
    assert rank_boxes(BOXES, torch.zeros(3, 0)).shape == (0, 3, 4)


def test_a_hit_needs_a_target_among_the_first_boxes():
    target = phrase_target([[0, 4, 4, 8], [20, 20, 30, 30]], (), 'any_box')
    assert phrase_hits(BOXES, target, (1, 2, 3, 10), 0.5) == [False, False, True, True, True]
    assert phrase_hits(BOXES, target, (1, 2), 0.5) == [False, False, True]
    assert phrase_hits(BOXES[:2], target, (1, 2), 0.5) == [False] * 3


def test_merged_boxes_are_enclosed():
    target = phrase_target([[1, 2, 5, 6], [3, 0, 4, 9]], ('people', ), 'merged_boxes')
    assert target.boxes.tolist() == [[1, 0, 5, 9]] and target.types == ('people', )


def test_recall_by_type():
    phrases = [(('people', ), [True, True]), (('people', 'other'), [False, True]), (('scene', ), [False, False])]
    assert recall(phrases, (1, )) == {
        'recall@1_all': 1 / 3, 'recall@1_other': 0, 'recall@1_people': 1 / 2, 'recall@1_scene': 0,
        'upper_bound_all': 2 / 3, 'upper_bound_other': 1, 'upper_bound_people': 1, 'upper_bound_scene': 0}
