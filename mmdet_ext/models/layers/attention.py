"""Multi-head attention through `scaled_dot_product_attention`, with nn.MultiheadAttention's parameters."""
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor


class Attention(nn.Module):
    """Multi-head attention with packed projections, named and ordered (q, k, v) as in nn.MultiheadAttention.

    Args:
        embed_dims: C, a multiple of `num_heads`.
        num_heads: M.
        dropout: Probability for the weights after softmax.
    """

    def __init__(self, embed_dims: int, num_heads: int, dropout: float = 0.) -> None:
        super().__init__()
        if embed_dims % num_heads:
            raise ValueError(f'embed_dims should be a multiple of num_heads, got {embed_dims} and {num_heads}')
        self.embed_dims = embed_dims
        self.num_heads = num_heads
        self.dropout = dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * embed_dims, embed_dims))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * embed_dims))
        self.out_proj = nn.Linear(embed_dims, embed_dims)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def parts(self) -> list[tuple[Tensor, Tensor]]:
        """Weight and bias of the projections of queries, keys and values, as parts of one tensor."""
        return list(zip(self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)))

    def project(self, x: Tensor, which: int, parts: Sequence[tuple[Tensor, Tensor]] | None = None) -> Tensor:
        """(B, S, C) -> (B, M, S, C / M), with the projection of queries (0), keys (1) or values (2).

        `parts` is the result of the method `parts`, for callers that project more than once.
        """
        return self.split_heads(F.linear(x, *(parts or self.parts())[which]))

    def split_heads(self, x: Tensor) -> Tensor:
        """(B, S, C) -> (B, M, S, C / M)."""
        return x.unflatten(2, (self.num_heads, -1)).transpose(1, 2)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, padding: Tensor | None = None) -> Tensor:
        """Attention of projected tensors (B, M, Q or S, C / M), before the output projection.

        Args:
            padding: (B, S), True where keys are ignored.

        Returns:
            (B, Q, C).
        """
        mask = None if padding is None else ~padding[:, None, None]
        dropout = self.dropout if self.training else 0.
        return F.scaled_dot_product_attention(q, k, v, mask, dropout).transpose(1, 2).flatten(2)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, padding: Tensor | None = None) -> Tensor:
        """(B, Q, C), (B, S, C), (B, S, C) -> (B, Q, C); `padding` as for `attend`."""
        if query is key:  # one product for both
            sizes = (2 * self.embed_dims, self.embed_dims)
            both, last = zip(self.in_proj_weight.split(sizes), self.in_proj_bias.split(sizes))
            q, k = F.linear(query, *both).unflatten(2, (2 * self.num_heads, -1)).transpose(1, 2).chunk(2, dim=1)
            v = self.split_heads(F.linear(value, *last))
        else:
            parts = self.parts()
            q, k, v = (self.project(x, which, parts) for which, x in enumerate((query, key, value)))
        return self.out_proj(self.attend(q, k, v, padding))


def build_attention(cfg: dict[str, Any]) -> tuple[Attention, nn.Dropout]:
    """Build an attention from mmdet's config; returns it and the dropout of its result."""
    unknown = cfg.keys() - {'embed_dims', 'num_heads', 'dropout', 'batch_first'}
    if unknown or not cfg.get('batch_first', True):
        raise ValueError(f'an attention takes embed_dims, num_heads and dropout, batch first, got {dict(cfg)}')
    dropout = cfg.get('dropout', 0.)
    return Attention(cfg['embed_dims'], cfg['num_heads'], dropout), nn.Dropout(dropout)
