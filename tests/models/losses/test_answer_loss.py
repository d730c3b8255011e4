"""The loss of answers by hand: what counts are the questions of a type, with and without an answer."""
import math

import pytest
import torch
from torch.testing import assert_close

from mmdet_ext.models.losses import NO_ANSWER, answer_loss


@pytest.mark.parametrize('logits, term', [(torch.zeros(3, 4), math.log(4)), (torch.zeros(3), math.log(2))])
def test_a_question_of_the_type_without_answer_counts_in_the_divisor(logits, term):
    targets, asked = torch.tensor([0, NO_ANSWER, NO_ANSWER]), torch.tensor([True, True, False])
    loss, accuracy, right = answer_loss(logits, targets, asked)
    assert_close(loss, torch.tensor(term / 2))
    assert accuracy == 0.5 and right.tolist() == [True, False, False]


def test_without_a_type_those_with_an_answer_count():
    loss, accuracy, _ = answer_loss(torch.zeros(3, 4), torch.tensor([0, NO_ANSWER, 1]))
    assert_close(loss, torch.tensor(math.log(4)))
    assert accuracy == 0.5


def test_without_questions_the_loss_is_0_and_all_is_right():
    loss, accuracy, _ = answer_loss(torch.zeros(2, 4), torch.tensor([1, 2]), torch.zeros(2, dtype=torch.bool))
    assert loss == 0 and accuracy == 1
