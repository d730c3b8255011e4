"""Attention of queries to a picture as maps (DETR, https://arxiv.org/abs/2005.12872, section 4.4)."""
import torch
import torch.nn as nn
from torch import Tensor


class BoxAttention(nn.Module):
    """Where each query looks: attention weights that are used as maps.

    They sum to 1 over the picture for each head; DETR's sum to 1 over all heads together.
    """

    def __init__(self, embed_dims: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(embed_dims, embed_dims)
        self.key = nn.Linear(embed_dims, embed_dims)

    def forward(self, states: Tensor, memory: Tensor, padding: Tensor) -> Tensor:
        """(B, Q, C) queries, (B, S, C) tokens, (B, S) padding, True where ignored -> (B, Q, heads, S)."""
        queries, keys = (x.unflatten(-1, (self.num_heads, -1)) for x in (self.query(states), self.key(memory)))
        scores = torch.einsum('bqnc,bsnc->bqns', queries * queries.shape[-1]**-0.5, keys).float()
        return scores.masked_fill(padding[:, None, None], float('-inf')).softmax(dim=-1)
