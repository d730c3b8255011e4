"""Losses of all layers of a decoder at once, one number per layer."""
from collections.abc import Mapping, Sequence

import torch
import torch.nn as nn
from mmdet.models.losses import GIoULoss
from mmdet.utils import reduce_mean
from mmengine.dist import get_world_size
from torch import Tensor

from ...transfers import to_device
from ..layers.overlaps import broadcast_overlaps

# mmdet's losses add this to the number that they divide a sum by.
EPS = torch.finfo(torch.float32).eps


def split_by_layer(losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Split losses (layers, ) into mmdet's names: the last layer's under `name`, that of layer i under `di.name`."""
    layers = list(zip(*(values.unbind() for values in losses.values())))
    prefixes = [*(f'd{layer}.' for layer in range(len(layers) - 1)), '']
    return {f'{prefix}{name}': value for prefix, values in zip(prefixes, layers) for name, value in zip(losses, values)}


def average_factors(counts: Sequence[float], device: torch.device) -> list[float] | list[Tensor]:
    """Divisors of the sums of losses: means of `counts` over all processes, at least 1. With one process the device is
    not used."""
    if get_world_size() == 1:
        return [max(float(count), 1.) for count in counts]
    return list(reduce_mean(to_device(torch.tensor(counts, dtype=torch.float32), device)).clamp(min=1).unbind())


def matched_losses(loss: nn.Module, predicted: Tensor, truth: Tensor, avg_factor: float | Tensor) -> Tensor:
    """One of mmdet's box losses, summed over the boxes of each layer and divided by `avg_factor`.

    Args:
        loss: The loss, such as an `L1Loss` or a `GIoULoss`.
        predicted: (layers, M, 4), as the loss takes them.
        truth: (layers, M, 4).
        avg_factor: What sums are divided by.

    Returns:
        (layers, ).
    """
    if not predicted.numel():
        return predicted.sum(dim=(1, 2))  # zeros with a gradient
    if type(loss) is GIoULoss:
        terms = loss.loss_weight * (1 - broadcast_overlaps(predicted, truth, eps=loss.eps))
    else:
        terms = loss(predicted.flatten(0, 1), truth.flatten(0, 1), reduction_override='none')
    return layer_sums(terms, len(predicted)) / (avg_factor + EPS)


def layer_sums(terms: Tensor, num_layers: int) -> Tensor:
    """The sum over each layer, (layers, ), of a tensor (layers, ...) whose leading axes may be flattened."""
    return terms.reshape(num_layers, -1).sum(dim=1)
