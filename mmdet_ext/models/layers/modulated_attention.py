"""Attention that is modulated by Gaussians, in the memory of their axis terms (SMCA-DETR,
https://arxiv.org/abs/2101.07448, section 3.2)."""
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .gaussian import AxisTerms

# How many weights of attention are held at once, by device: what a cache of a CPU holds, what keeps a GPU busy.
_WEIGHTS_AT_ONCE = dict(cpu=2**20)
_OTHERWISE = 2**24


def modulated_attention(q: Tensor, k: Tensor, v: Tensor, terms: AxisTerms, padding: Tensor | None = None,
                        dropout: float = 0.) -> Tensor:
    """softmax(q k / sqrt(D) + terms) v, where neither pass of training ever holds all weights at once.

    What is kept for the backward pass is q, k, v, the terms and, with dropout, one byte per weight; weights are computed
    again there, for some heads at a time.

    Args:
        q: (B, M, Q, D).
        k: (B, M, S, D), the h * w cells and behind them what has no place.
        v: (B, M, S, D).
        terms: Logarithms of Gaussians over the cells.
        padding: (B, S), True where keys are ignored, never all of an image.
        dropout: Probability for the weights after softmax.

    Returns:
        (B, Q, M * D).
    """
    batch, heads, queries, _ = q.shape
    if padding is not None:
        padding = padding.unsqueeze(1).expand(-1, heads, -1).reshape(batch * heads, 1, -1)
    kept = None
    if dropout:
        kept = torch.empty(batch * heads, queries, k.shape[2], dtype=torch.bool, device=q.device).bernoulli_(1 - dropout)
    flat = [None if x is None else x.flatten(0, 1) for x in (q, k, v, *terms)]
    found = _ModulatedAttention.apply(*flat, padding, kept, dropout)
    return found.unflatten(0, (batch, heads)).transpose(1, 2).flatten(2)


def narrow(bias: Tensor, dtype: torch.dtype) -> Tensor:
    """A bias (..., S) of softmax in another dtype: shifted so that its largest value, which matters most, is 0.

    A half has no room for log Gaussians of far cells: what lies beyond its range becomes its least number.
    """
    if dtype == bias.dtype:
        return bias
    bias = bias - bias.amax(dim=-1, keepdim=True)
    return bias.clamp_(min=torch.finfo(dtype).min / 2).to(dtype)


class _Inputs(NamedTuple):
    """Some of the G = B * M heads: q (G, Q, D), k and v (G, S, D), terms (G, Q, h or w), padding (G, 1, S), kept
    (G, Q, S)."""
    q: Tensor
    k: Tensor
    v: Tensor
    rows: Tensor
    columns: Tensor
    row_factors: Tensor | None
    column_factors: Tensor | None
    padding: Tensor | None
    kept: Tensor | None

    def split(self) -> Iterator['_Inputs']:
        weights = self.q.shape[1] * self.k.shape[1]  # of one head
        # a compiler takes sizes for variables, by which nothing can be unrolled
        step = len(self.q) if torch.compiler.is_compiling() else max(
            _WEIGHTS_AT_ONCE.get(self.q.device.type, _OTHERWISE) // max(weights, 1), 1)
        for start in range(0, len(self.q), step):
            yield _Inputs(*(None if x is None else x[start:start + step] for x in self))

    def bias(self, dtype: torch.dtype) -> Tensor:
        """(G, Q, S), what is added to the products of q and k; 0 for what has no place, -inf where ignored."""
        bias = AxisTerms(self.rows, self.columns, self.row_factors, self.column_factors).sum()
        if placeless := self.k.shape[1] - bias.shape[2]:
            bias = F.pad(bias, (0, placeless))
        bias = narrow(bias, dtype)
        return bias if self.padding is None else bias.masked_fill_(self.padding, float('-inf'))

    def weights(self) -> Tensor:
        """(G, Q, S), after softmax and before dropout, in the terms' dtype."""
        scores, scale = self.bias(self.rows.dtype), self.q.shape[-1]**-0.5
        if scores.dtype == self.q.dtype:
            return scores.baddbmm_(self.q, self.k.mT, alpha=scale).softmax(dim=-1)
        return scores.add_(self.q @ self.k.mT, alpha=scale).softmax(dim=-1)


class _ModulatedAttention(torch.autograd.Function):
    """(G, Q, D) of `_Inputs` and the probability of dropout."""

    @staticmethod
    def forward(ctx: Any, *arguments: Tensor | float | None) -> Tensor:
        inputs, dropout = _Inputs(*arguments[:-1]), arguments[-1]
        ctx.save_for_backward(*inputs)
        ctx.dropout = dropout
        with torch.autocast(inputs.q.device.type, enabled=False):
            return torch.cat([_attend(part, dropout) for part in inputs.split()])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, start, found = _Inputs(*ctx.saved_tensors), 0, []
        with torch.autocast(gradient.device.type, enabled=False):
            for part in inputs.split():
                found.append(_gradients(part, gradient[start:start + len(part.q)], ctx.dropout))
                start += len(part.q)
        return *(None if parts[0] is None else torch.cat(parts) for parts in zip(*found)), None, None, None


def _attend(inputs: _Inputs, dropout: float) -> Tensor:
    if inputs.kept is not None:
        weights = inputs.weights().mul_(inputs.kept).div_(1 - dropout)
        return weights.to(inputs.v.dtype) @ inputs.v
    each = (x.unsqueeze(0) for x in (inputs.q, inputs.k, inputs.v, inputs.bias(inputs.q.dtype)))
    return F.scaled_dot_product_attention(*each).squeeze(0)


def _gradients(inputs: _Inputs, gradient: Tensor, dropout: float) -> tuple[Tensor | None, ...]:
    """Of q, k, v and the terms, from that of the result."""
    q, k, v = inputs[:3]
    scale, weights = q.shape[-1]**-0.5, inputs.weights()
    of_weights = (gradient @ v.mT).to(weights.dtype)
    if inputs.kept is None:
        of_v = weights.to(v.dtype).mT @ gradient
    else:
        of_v = (weights * inputs.kept).div_(1 - dropout).to(v.dtype).mT @ gradient
        of_weights = of_weights.mul_(inputs.kept).div_(1 - dropout)
    of_scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype)  # (G, Q, S)
    cells = of_scores[..., :inputs.rows.shape[-1] * inputs.columns.shape[-1]]
    cells = cells.unflatten(-1, (inputs.rows.shape[-1], inputs.columns.shape[-1]))
    of_terms = [cells.sum(dim=-1), cells.sum(dim=-2), None, None]
    if inputs.row_factors is not None:
        of_terms[2] = (cells @ inputs.column_factors.unsqueeze(-1)).squeeze(-1)
        of_terms[3] = (inputs.row_factors.unsqueeze(-2) @ cells).squeeze(-2)
    of_scores = of_scores.to(q.dtype)
    return (of_scores @ k).mul_(scale), (of_scores.mT @ q).mul_(scale), of_v, *of_terms
