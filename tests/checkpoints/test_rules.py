import pytest
import torch
from mmdet_ext.checkpoints import CheckpointError
from mmdet_ext.checkpoints.rules import Row, Rule, rename

WEIGHTS = {'stem.weight': torch.ones(2, 3), 'layer.0.weight': torch.zeros(4)}


def test_groups_of_the_pattern_are_put_into_our_name():
    rules = [Rule(r'stem\.(.+)', r'first.\1'), Rule(r'layer\.(\d+)\.(?P<leaf>.+)', r'blocks.\1.conv.\g<leaf>')]
    renamed, rows = rename(WEIGHTS, rules)
    assert list(renamed) == ['first.weight', 'blocks.0.conv.weight']
    assert renamed['first.weight'] is WEIGHTS['stem.weight']
    assert rows == [Row('stem.weight', 'first.weight', (2, 3)), Row('layer.0.weight', 'blocks.0.conv.weight', (4, ))]


def test_the_first_rule_that_matches_holds():
    renamed, rows = rename(WEIGHTS, [Rule(r'stem\.weight', None), Rule(r'(.*)', r'ours.\1')])
    assert list(renamed) == ['ours.layer.0.weight']
    assert rows[0] == Row('stem.weight', None, (2, 3))


def test_a_pattern_is_for_the_whole_name():
    with pytest.raises(CheckpointError, match='no rule for 1 of 2 tensors:\n  stem.weight$'):
        rename(WEIGHTS, [Rule('stem', 'a'), Rule(r'layer\.0\.weight', 'b')])


def test_two_names_must_not_become_one():
    with pytest.raises(CheckpointError, match=r'layer\.0\.weight and another tensor would both become ours'):
        rename(WEIGHTS, [Rule('.*', 'ours')])


def test_a_dropped_tensor_must_hold_what_the_rule_expects():
    rules = [Rule('.*', None, check=lambda tensor: bool((tensor == 1).all()))]
    with pytest.raises(CheckpointError, match=r'layer\.0\.weight would be dropped'):
        rename(WEIGHTS, rules)
    assert rename({'stem.weight': WEIGHTS['stem.weight']}, rules)[0] == {}
