"""Modulated cross-attention against the form that a textbook has, with its whole grid of distances."""
from collections.abc import Callable

import torch
from torch import Tensor

from mmdet_ext.models.layers import axis_terms, modulated_attention
from .measure import Row, measure

QUERIES, HEADS, CHANNELS, SMOOTH = 300, 8, 256, 8.


def textbook(q: Tensor, k: Tensor, v: Tensor, centre: Tensor, scale: Tensor, shape: tuple[int, int]) -> Tensor:
    """Grid of distances, product, softmax, product; arguments as for `modulated`."""
    y, x = torch.meshgrid(*(torch.arange(side, device=q.device) for side in shape), indexing='ij')
    grid = torch.stack([x, y], dim=-1).view(1, 1, 1, -1, 2)
    distances = (centre.transpose(1, 2).unsqueeze(3) - grid).square()  # (B, M, Q, S, 2)
    log_g = -(scale.transpose(1, 2).unsqueeze(3) * distances).sum(dim=-1) / SMOOTH
    batch, heads, queries, dims = q.shape
    scores = torch.bmm((q / dims**0.5).flatten(0, 1), k.flatten(0, 1).mT).view(batch, heads, queries, -1)
    weights = (scores + log_g.to(scores.dtype)).softmax(dim=-1)
    attended = torch.bmm(weights.flatten(0, 1), v.flatten(0, 1)).view(batch, heads, queries, -1)
    return attended.transpose(1, 2).flatten(2)


def modulated(q: Tensor, k: Tensor, v: Tensor, centre: Tensor, scale: Tensor, shape: tuple[int, int]) -> Tensor:
    """Ours: one term per axis, whose sum is never stored for all cells.

    Args:
        q: (B, M, Q, D).
        k: (B, M, h * w, D).
        v: (B, M, h * w, D).
        centre: (B, Q, M, 2) in cells.
        scale: (B, Q, M, 2).
        shape: h, w.
    """
    return modulated_attention(q, k, v, axis_terms(centre, scale, shape, SMOOTH))


def attention(device: torch.device, repeats: int, shape: tuple[int, int], dtype: torch.dtype = torch.float32,
              batch: int = 2) -> list[Row]:
    """Forward and backward of both forms over a map of `shape` cells."""
    height, width = shape
    generator = torch.Generator(device).manual_seed(0)

    def leaf(*size: int, dtype: torch.dtype = dtype) -> Tensor:
        return torch.randn(size, generator=generator, device=device).to(dtype).requires_grad_()

    q = leaf(batch, HEADS, QUERIES, CHANNELS // HEADS)
    k, v = (leaf(batch, HEADS, height * width, CHANNELS // HEADS) for _ in range(2))
    centre, scale = (leaf(batch, QUERIES, HEADS, 2, dtype=torch.float32) for _ in range(2))

    def work(form: Callable[..., Tensor]) -> None:
        form(q, k, v, centre * width / 4 + width / 2, scale.square(), shape).float().square().sum().backward()
        for tensor in (q, k, v, centre, scale):
            tensor.grad = None

    name = f'modulated attention, {height} x {width} cells, {str(dtype).removeprefix("torch.")}'
    return measure(name, dict(textbook=lambda: work(textbook), ours=lambda: work(modulated)), device, repeats)
