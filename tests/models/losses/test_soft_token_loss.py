"""Soft-token prediction by hand: what matched queries, others, and the two weights add."""
import math

import pytest
import torch
from torch.testing import assert_close

from mmdet_ext.models.losses import SoftTokenLoss


@pytest.mark.parametrize('eos_coef, loss_weight', [(0.1, 1.), (0.5, 3.)])
def test_a_matched_query_of_two_tokens_and_one_without_object(eos_coef, loss_weight):
    logits = torch.zeros(1, 2, 4)  # each token at a probability of 1/4
    logits[0, 1, 3] = math.log(5.)  # query 1: "no object" at 5/8
    targets = torch.zeros(1, 2, 4)
    targets[0, 0, :2] = 0.5
    loss = SoftTokenLoss(eos_coef=eos_coef, loss_weight=loss_weight)
    expected = loss_weight * (math.log(4) + eos_coef * math.log(8 / 5)) / 2
    assert_close(loss(logits, targets, torch.tensor([[True, False]]), 2.), torch.tensor(expected))


def test_layers_in_front_are_kept_and_a_row_of_zeros_adds_nothing():
    logits, targets = torch.zeros(3, 1, 2, 4), torch.zeros(3, 1, 2, 4)
    targets[1, 0, 0, 2] = 1.
    loss = SoftTokenLoss()(logits, targets, torch.tensor([True, True]).expand(3, 1, 2), 1.)
    assert_close(loss, torch.tensor([0., math.log(4), 0.]))
