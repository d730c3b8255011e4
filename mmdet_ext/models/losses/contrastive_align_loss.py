"""Contrastive alignment of objects and tokens (MDETR, https://arxiv.org/abs/2104.12763, equations 1 and 2)."""
import torch
import torch.nn as nn
from mmdet.registry import MODELS
from torch import Tensor


@MODELS.register_module()
class ContrastiveAlignLoss(nn.Module):
    """InfoNCE from queries to the tokens of their objects, and from tokens to the queries, averaged.

    As published, the denominators have all tokens and all queries: special tokens, padding and positive pairs too.

    Args:
        temperature: What similarities are divided by.
        loss_weight: Factor of the result.
    """

    def __init__(self, temperature: float = 0.07, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.temperature = temperature
        self.loss_weight = loss_weight

    def forward(self, queries: Tensor, tokens: Tensor, positive: Tensor, avg_factor: float | Tensor) -> Tensor:
        """
        Args:
            queries: (..., B, Q, D), of unit length.
            tokens: (B, L, D), of unit length.
            positive: (..., B, Q, L) bool, whether the query's object covers the token.
            avg_factor: Divisor of the sum, the number of objects.

        Returns:
            (...), of each layer if the leading axes are layers.
        """
        with torch.autocast(queries.device.type, enabled=False):
            similarity = queries.float() @ tokens.float().mT / self.temperature  # (..., B, Q, L)
        total, chosen = 0, similarity * positive
        for dim in (-1, -2):
            count = positive.sum(dim=dim)
            mean = chosen.sum(dim=dim) / (count + 1e-6)
            total = total + ((similarity.logsumexp(dim=dim) - mean) * (count > 0)).sum(dim=(-2, -1))
        return self.loss_weight * total / 2 / avg_factor
