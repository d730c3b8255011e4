"""Focal loss (https://arxiv.org/abs/1708.02002) with torchvision's function, which runs on every device."""
import torch.nn as nn
from mmdet.models.losses.utils import weight_reduce_loss
from mmdet.registry import MODELS
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss


@MODELS.register_module()
class SigmoidFocalLoss(nn.Module):
    """mmdet's `FocalLoss`, with the same arguments and values, but without mmcv's CUDA operator.

    Args:
        use_sigmoid: Must be True; it exists because heads read it.
        gamma: Exponent of the distance between target and probability.
        alpha: Weight of positive targets; negative ones have the weight 1 - alpha.
        reduction: 'mean', 'sum' or 'none'.
        loss_weight: Factor of the result.
        activated: Must be False: the loss takes logits.
    """

    def __init__(self, use_sigmoid: bool = True, gamma: float = 2.0, alpha: float = 0.25, reduction: str = 'mean',
                 loss_weight: float = 1.0, activated: bool = False) -> None:
        super().__init__()
        for key, value, needed in (('use_sigmoid', use_sigmoid, True), ('activated', activated, False)):
            if value is not needed:
                raise ValueError(f'{key} should be {needed}, got {value!r}: focal loss is of sigmoids of logits')
        _check_reduction(reduction)
        self.use_sigmoid = use_sigmoid
        self.gamma = gamma
        self.alpha = alpha
        self.reduction = reduction
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, targets: Tensor, weight: Tensor | None = None,
                avg_factor: float | Tensor | None = None, reduction_override: str | None = None) -> Tensor:
        """
        Args:
            logits: (N, C).
            targets: (N, ), labels from 0 to C, where C is background; or (N, C), in [0, 1].
            weight: (N, ) or (N, C).
            avg_factor: What the sum is divided by instead of N * C; only with reduction 'mean'.
            reduction_override: Used instead of `reduction`.
        """
        reduction = reduction_override or self.reduction
        _check_reduction(reduction)
        if targets.ndim < logits.ndim:
            # the one dense tensor beside the loss itself; the column of the background is cut off
            columns = logits.new_zeros(len(logits), logits.shape[1] + 1)
            targets = columns.scatter_(1, targets.unsqueeze(1), 1)[:, :-1]
        loss = sigmoid_focal_loss(logits, targets.to(logits), self.alpha, self.gamma)
        if weight is not None and weight.ndim < loss.ndim:
            weight = weight.unsqueeze(1)
        return self.loss_weight * weight_reduce_loss(loss, weight, reduction, avg_factor)


def _check_reduction(reduction: str) -> None:
    if reduction not in ('none', 'mean', 'sum'):
        raise ValueError(f"reduction should be 'none', 'mean' or 'sum', got {reduction!r}")
