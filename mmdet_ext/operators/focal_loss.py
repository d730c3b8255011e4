"""Focal loss of sigmoids (N, C) and of softmaxes (N, C) -> (N,), with labels (N,) and an optional weight per class.

A row whose label is C (background) or negative has no class: all its sigmoids should be 0, and its softmax has no loss.
"""
import torch
from torch import Tensor

from .kernels import computed

LEAST = torch.finfo(torch.float32).tiny  # mmcv takes the logarithm of nothing smaller


def sigmoid_focal_loss_forward(input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float,
                               alpha: float) -> None:
    """Fill `output` (N, C) from logits."""
    _check_labels(target, input.shape[1])
    logits, weight = computed(input, weight)
    p, positive = _probabilities(logits), _positive(target, input.shape[1])
    loss = torch.where(positive, -alpha * (1 - p) ** gamma * p.clamp(min=LEAST).log(),
                       (alpha - 1) * p ** gamma * (1 - p).clamp(min=LEAST).log())
    output.copy_(loss * _weights(weight, target).unsqueeze(1) if weight.numel() else loss)


def sigmoid_focal_loss_backward(input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float,
                                alpha: float) -> None:
    """Fill `grad_input` (N, C) with the derivatives of the losses."""
    logits, weight = computed(input, weight)
    p, positive = _probabilities(logits), _positive(target, input.shape[1])
    grad = torch.where(
        positive, -alpha * (1 - p) ** gamma * (1 - p - gamma * p * p.clamp(min=LEAST).log()),
        (alpha - 1) * p ** gamma * (gamma * (1 - p) * (1 - p).clamp(min=LEAST).log() - p))
    grad_input.copy_(grad * _weights(weight, target).unsqueeze(1) if weight.numel() else grad)


def softmax_focal_loss_forward(input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float,
                               alpha: float) -> None:
    """Fill `output` (N,) from probabilities."""
    _check_labels(target, input.shape[1])
    probabilities, weight = computed(input, weight)
    p = _of_label(probabilities, target)
    loss = -alpha * (1 - p) ** gamma * p.clamp(min=LEAST).log() * _has_class(target, input.shape[1])
    output.copy_(loss * _weights(weight, target) if weight.numel() else loss)


def softmax_focal_loss_backward(input: Tensor, target: Tensor, weight: Tensor, buff: Tensor, grad_input: Tensor,
                                gamma: float, alpha: float) -> None:
    """Fill `grad_input` (N, C) with the derivatives by the logits, and `buff` (N,) with a factor of its rows."""
    probabilities, weight = computed(input, weight)
    p = _of_label(probabilities, target)
    common = alpha * (gamma * (1 - p) ** (gamma - 1) * p * p.clamp(min=LEAST).log() - (1 - p) ** gamma)
    common = torch.where(_has_class(target, input.shape[1]), common, 0)
    if weight.numel():
        common = common * _weights(weight, target)
    buff.copy_(common)
    grad_input.copy_(common.unsqueeze(1) * (_positive(target, input.shape[1]).to(p.dtype) - probabilities))


def _check_labels(target: Tensor, classes: int) -> None:
    if target.numel() and (largest := int(target.max())) > classes:
        raise ValueError(f'labels are at most {classes}, the number of classes, got {largest}')


def _probabilities(logits: Tensor) -> Tensor:
    return 1 / (1 + (-logits).exp())


def _positive(target: Tensor, classes: int) -> Tensor:
    return target.unsqueeze(1) == torch.arange(classes, device=target.device)


def _has_class(target: Tensor, classes: int) -> Tensor:
    return (target >= 0) & (target < classes)


def _of_label(probabilities: Tensor, target: Tensor) -> Tensor:
    """(N, C), (N,) -> (N,); rows without a class give that of some class."""
    return probabilities.gather(1, target.clamp(0, probabilities.shape[1] - 1).unsqueeze(1)).squeeze(1)


def _weights(weight: Tensor, target: Tensor) -> Tensor:
    """(C,), (N,) -> (N,); rows without a class have the weight 1 (mmcv's kernels read other memory for them)."""
    return torch.where(_has_class(target, len(weight)), weight[target.clamp(0, len(weight) - 1)], 1)
