"""Attention weights of queries over an image, used as maps (DETR, https://arxiv.org/abs/2005.12872, section 4.4)."""
import torch
import torch.nn as nn
from torch import Tensor


class BoxAttention(nn.Module):
    """Attention without values: its results are the attention weights of each query over the image.

    The weights of a head sum to 1 over the image; those of DETR sum to 1 over all heads together.
    """

    def __init__(self, embed_dims: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(embed_dims, embed_dims)
        self.key = nn.Linear(embed_dims, embed_dims)

    def forward(self, states: Tensor, memory: Tensor, padding: Tensor) -> Tensor:
        """
        Args:
            states: (B, Q, C), queries.
            memory: (B, S, C), tokens of the image.
            padding: (B, S), True where ignored.

        Returns:
            (B, Q, heads, S), in float32 at least.
        """
        queries, keys = (x.unflatten(-1, (self.num_heads, -1)) for x in (self.query(states), self.key(memory)))
        scores = torch.einsum('bqnc,bsnc->bqns', queries * queries.shape[-1]**-0.5, keys)
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        return scores.masked_fill(padding[:, None, None], float('-inf')).softmax(dim=-1)
