"""Soft-token prediction of MDETR (https://arxiv.org/abs/2104.12763, section 2.2.1)."""
from typing import Any

import torch
import torch.nn as nn
from mmdet.registry import MODELS
from torch import Tensor

_OTHER_LOGITS = ("loss_cls: SoftTokenLoss is for logits of a text's tokens with a last column for no object, as "
                 'MDETRHead and AlignedGroundingDINOHead(loss_soft_token=...) have them; this head has other logits')


class OtherLogitsError(ValueError, AttributeError):
    """A head whose logits are not of tokens. An `AttributeError` too, as `hasattr` wants it."""


@MODELS.register_module()
class SoftTokenLoss(nn.Module):
    """Cross-entropy of each query with the tokens of its object, or with "no object", the last column.

    Args:
        eos_coef: Weight of queries without object.
        loss_weight: Factor of the result.
    """

    def __init__(self, eos_coef: float = 0.1, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.eos_coef = eos_coef
        self.loss_weight = loss_weight

    def __getattr__(self, name: str) -> Any:
        if name == 'use_sigmoid':  # what mmdet's heads ask of a loss of classes, which this is not
            raise OtherLogitsError(_OTHER_LOGITS)
        return super().__getattr__(name)

    def forward(self, logits: Tensor, targets: Tensor, matched: Tensor, avg_factor: float | Tensor) -> Tensor:
        """
        Args:
            logits: (..., B, Q, T), the last column for "no object".
            targets: (..., B, Q, T), a row of `positive_map` for each matched query; rows of other queries are not used.
                A row of zeros adds nothing.
            matched: (..., B, Q) bool.
            avg_factor: What the sum is divided by, the number of objects; not the sum of weights.

        Returns:
            (...), of each layer if the leading axes are layers.

        Raises:
            OtherLogitsError: If `targets` are not one number per logit, such as labels of classes, or `matched` is not
                bool.
        """
        if targets.shape != logits.shape or matched.dtype != torch.bool:
            raise OtherLogitsError(f'{_OTHER_LOGITS}: targets {tuple(targets.shape)} for logits {tuple(logits.shape)}, '
                                   f'and for each query a {matched.dtype} that says whether it is matched')
        log_probs = logits.float().log_softmax(dim=-1)
        matched_loss = -(targets * log_probs).sum(dim=-1)
        unmatched_loss = -self.eos_coef * log_probs[..., -1]
        return self.loss_weight * torch.where(matched, matched_loss, unmatched_loss).sum(dim=(-2, -1)) / avg_factor
