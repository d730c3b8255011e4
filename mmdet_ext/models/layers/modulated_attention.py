"""Attention modulated by Gaussians, which are stored as vectors along the axes to save memory (SMCA-DETR,
https://arxiv.org/abs/2101.07448, section 3.2)."""
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .gaussian import AxisTerms

# How many attention weights are in memory at once: on a CPU what its cache holds, otherwise enough to keep a GPU busy.
_CPU_WEIGHTS, _DEVICE_WEIGHTS = 2**20, 2**24
# Smaller weights become 0: far from its centre a Gaussian gives denormal numbers, which a CPU multiplies slowly.
_SMALLEST_WEIGHT = 1e-20


def modulated_attention(q: Tensor, k: Tensor, v: Tensor, terms: AxisTerms, padding: Tensor | None = None,
                        dropout: float = 0.) -> Tensor:
    """softmax(q k^T / sqrt(D) + terms) v, without storing all attention weights at once, in forward and backward pass.

    The backward pass keeps q, k, v, the terms and, with dropout, one byte per weight; it computes the weights again,
    for some heads at a time.

    Args:
        q: (B, M, Q, D) for M heads.
        k: (B, M, S, D), keys of the h * w cells. More keys may follow, such as those of words, which have no position
            and no Gaussian.
        v: (B, M, S, D).
        terms: Logarithms of Gaussians over the cells.
        padding: (B, S), True where keys are ignored; at least one key of each image must not be.
        dropout: Dropout probability of the attention weights.

    Returns:
        (B, Q, M * D).
    """
    batch, heads, queries, _ = q.shape
    if padding is not None:
        padding = padding.unsqueeze(1).expand(-1, heads, -1).flatten(0, 1).unsqueeze(1)
    kept = None
    if dropout:
        shape = (batch * heads, queries, k.shape[2])
        kept = torch.empty(shape, dtype=torch.bool, device=q.device).bernoulli_(1 - dropout)
    flat = [None if x is None else x.flatten(0, 1) for x in (q, k, v, *terms)]
    if torch.jit.is_tracing():  # TorchScript holds no autograd function
        attended = _attend(_Inputs(*flat, padding, kept), dropout)
    else:
        attended = _ModulatedAttention.apply(*flat, padding, kept, dropout)
    return attended.unflatten(0, (-1, heads)).transpose(1, 2).flatten(2)


def bias_in_dtype(bias: Tensor, dtype: torch.dtype) -> Tensor:
    """Convert a bias (..., S) of softmax to another dtype, shifted so that its largest value, which matters most, is 0.

    The range of float16 is too small for log Gaussians of far cells: they are clamped to half of the dtype's minimum.
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

    def split(self) -> list['_Inputs']:
        if torch.compiler.is_compiling():  # sizes may be symbolic there, so that the loop cannot be unrolled
            return [self]
        limit = _CPU_WEIGHTS if self.q.device.type == 'cpu' else _DEVICE_WEIGHTS
        weights = self.q.shape[1] * self.k.shape[1]
        step = max(limit // max(weights, 1), 1)
        if step >= len(self.q):
            return [self]
        return [_Inputs(*(None if x is None else x[start:start + step] for x in self))
                for start in range(0, len(self.q), step)]

    def bias(self, dtype: torch.dtype) -> Tensor:
        """(G, Q, S), added to the products of q and k; 0 for keys without a position, -inf for ignored keys."""
        bias = AxisTerms(self.rows, self.columns, self.row_factors, self.column_factors).sum()
        if without_position := self.k.shape[1] - bias.shape[2]:
            bias = F.pad(bias, (0, without_position))
        bias = bias_in_dtype(bias, dtype)
        return bias if self.padding is None else bias.masked_fill_(self.padding, float('-inf'))

    def weights(self) -> Tensor:
        """(G, Q, S), after softmax and before dropout, in the terms' dtype."""
        scores, scale = self.bias(self.rows.dtype), self.q.shape[-1]**-0.5
        if scores.dtype == self.q.dtype:
            weights = scores.baddbmm_(self.q, self.k.transpose(-2, -1), alpha=scale).softmax(dim=-1)
        else:
            weights = scores.add_(self.q @ self.k.transpose(-2, -1), alpha=scale).softmax(dim=-1)
        if torch.jit.is_tracing():  # the exporter to ONNX knows the threshold 0 alone
            return weights.where(weights > _SMALLEST_WEIGHT, 0.)
        return F.threshold_(weights, _SMALLEST_WEIGHT, 0.)


class _ModulatedAttention(torch.autograd.Function):
    """(G, Q, D) of `_Inputs` and the probability of dropout."""

    @staticmethod
    def forward(ctx: Any, *arguments: Tensor | float | None) -> Tensor:
        inputs, dropout = _Inputs(*arguments[:-1]), arguments[-1]
        ctx.save_for_backward(*inputs)
        ctx.dropout = dropout
        with torch.autocast(inputs.q.device.type, enabled=False):
            return _join([_attend(part, dropout) for part in inputs.split()])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, start, gradients = _Inputs(*ctx.saved_tensors), 0, []
        with torch.autocast(gradient.device.type, enabled=False):
            for part in inputs.split():
                gradients.append(_gradients(part, gradient[start:start + len(part.q)], ctx.dropout))
                start += len(part.q)
        return *(_join(parts) for parts in zip(*gradients)), None, None, None


def _attend(inputs: _Inputs, dropout: float) -> Tensor:
    if inputs.kept is not None or (inputs.q.device.type == 'cpu' and inputs.q.dtype == inputs.rows.dtype):
        weights = inputs.weights()
        if inputs.kept is not None:
            weights.mul_(inputs.kept).div_(1 - dropout)
        return weights.to(inputs.v.dtype) @ inputs.v
    arguments = (x.unsqueeze(0) for x in (inputs.q, inputs.k, inputs.v, inputs.bias(inputs.q.dtype)))
    return F.scaled_dot_product_attention(*arguments).squeeze(0)


def _gradients(inputs: _Inputs, gradient: Tensor, dropout: float) -> tuple[Tensor | None, ...]:
    """Gradients of q, k, v and the terms, from the gradient of the result."""
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


def _join(parts: Sequence[Tensor | None]) -> Tensor | None:
    return parts[0] if len(parts) == 1 or parts[0] is None else torch.cat(parts)
