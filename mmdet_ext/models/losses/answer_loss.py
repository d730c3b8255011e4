"""The loss of answers to questions of one type (MDETR, https://arxiv.org/abs/2104.12763)."""
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

NO_ANSWER = -100


class AnswerLoss(NamedTuple):
    """The mean loss of the questions of a type, and the share of right answers. Without questions they are 0 and 1.

    right: (B, ) bool, whether a question is of the type and its answer right.
    """
    loss: Tensor
    accuracy: Tensor
    right: Tensor


def answer_loss(logits: Tensor, targets: Tensor, asked: Tensor | None = None) -> AnswerLoss:
    """Cross-entropy of the questions of a type, divided by their number.

    Args:
        logits: (B, N), or (B, ) for yes against no.
        targets: (B, ), indices of the answers, 1 for yes; `NO_ANSWER` for questions without one.
        asked: (B, ) bool, True for questions of the type; by default for those that have an answer.
    """
    answered = targets != NO_ANSWER
    asked = answered if asked is None else asked
    count = asked.sum().clamp(min=1)
    if logits.ndim == 1:
        loss = F.binary_cross_entropy_with_logits(logits, targets.clamp(min=0).to(logits),
                                                  weight=(asked & answered).to(logits), reduction='sum')
    else:
        indices = targets.long().masked_fill(~asked, NO_ANSWER)
        loss = F.cross_entropy(logits, indices, ignore_index=NO_ANSWER, reduction='sum')
    right = asked & (chosen_answers(logits) == targets)
    accuracy = torch.where(asked.any(), right.sum() / count, 1.)
    return AnswerLoss(loss / count, accuracy, right)


def chosen_answers(logits: Tensor) -> Tensor:
    """(B, ), the index of the most probable answer; logits as for `answer_loss`."""
    return (logits.sigmoid() > 0.5).long() if logits.ndim == 1 else logits.argmax(dim=1)
