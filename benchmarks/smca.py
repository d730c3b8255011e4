"""Modulated cross-attention against the form that a textbook has, with its whole grid of distances."""
from collections.abc import Callable

import torch
from torch import Tensor

from mmdet_ext.models.layers import axis_terms, modulated_attention

from .measure import Row, measure

QUERIES, HEADS, CHANNELS, SMOOTH = 300, 8, 256, 8.


def textbook(q: Tensor, k: Tensor, v: Tensor, centre: Tensor, scale: Tensor, shape: tuple[int, int]) -> Tensor:
    """Grid of distances, product, softmax, product.

    Args:
        q: (B, M, Q, D).
        k: (B, M, h * w, D).
        v: (B, M, h * w, D).
        centre: (B, Q, M, 2) in cells.
        scale: (B, Q, M, 2).
        shape: h, w.
    """
    grid = torch.cartesian_prod(*(torch.arange(side, device=q.device) for side in shape)).flip(1)  # (S, 2), x and y
    distances = (centre.transpose(1, 2).unsqueeze(3) - grid).square()  # (B, M, Q, S, 2)
    log_g = -(scale.transpose(1, 2).unsqueeze(3) * distances).sum(dim=-1) / SMOOTH
    scores = (q / q.shape[-1]**0.5) @ k.mT
    attended = (scores + log_g.to(scores.dtype)).softmax(dim=-1) @ v
    return attended.transpose(1, 2).flatten(2)


def modulated(q: Tensor, k: Tensor, v: Tensor, centre: Tensor, scale: Tensor, shape: tuple[int, int]) -> Tensor:
    """Ours: one term per axis, whose sum is never stored for all cells; arguments as for `textbook`."""
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
