"""The two contrastive losses by hand, at a temperature that is not their default."""
import math

import pytest
import torch
from torch.testing import assert_close

from mmdet_ext.models.losses import ContrastiveAlignLoss, ImageTextContrastiveLoss

# Of two logits 2 and 0, as similarities 1 and 0 give at temperature 0.5: minus the logarithm of the first's share.
TERM = math.log(1 + math.exp(-2))


@pytest.mark.parametrize('loss_weight', [1., 3.])
def test_alignment_of_two_queries_with_a_token_each(loss_weight):
    queries = tokens = torch.eye(2).unsqueeze(0)
    loss = ContrastiveAlignLoss(temperature=0.5, loss_weight=loss_weight)
    # four terms, two of queries and two of tokens; their half by 4 objects
    assert_close(loss(queries, tokens, torch.eye(2, dtype=torch.bool).unsqueeze(0), 4.),
                 torch.tensor(loss_weight * 4 * TERM / 2 / 4))


def test_alignment_of_one_query_with_two_tokens_and_of_none():
    queries, tokens = torch.eye(2).unsqueeze(0), torch.eye(2).unsqueeze(0)
    positive = torch.tensor([[[True, True], [False, False]]])
    # query 0: log(e^2 + 1) - (2 + 0) / 2; token 0: log(e^2 + 1) - 2; token 1, which is like query 1: log(1 + e^2) - 0
    expected = (TERM + 1) + TERM + (TERM + 2)
    assert_close(ContrastiveAlignLoss(temperature=0.5)(queries, tokens, positive, 1.), torch.tensor(expected / 2))


def test_contrast_of_two_images_and_captions_of_any_length():
    loss = ImageTextContrastiveLoss(temperature=0.5, loss_weight=0.1)
    assert_close(loss(3 * torch.eye(2), torch.eye(2)), torch.tensor(0.1 * TERM))
    # captions swapped: all four logits of pairs are 0, the others 2
    assert_close(loss(torch.eye(2), torch.eye(2).flip(0)), torch.tensor(0.1 * (TERM + 2)))


def test_contrast_averages_both_directions():
    texts = torch.tensor([[1., 0.], [1., 0.]])  # both captions are like image 0
    # images: (log 2 + log 2) / 2; captions: (TERM + TERM + 2) / 2
    expected = (math.log(2) + TERM + 1) / 2
    assert_close(ImageTextContrastiveLoss(temperature=0.5, loss_weight=1.)(torch.eye(2), texts), torch.tensor(expected))
