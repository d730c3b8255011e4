"""Complete IoU (https://arxiv.org/abs/1911.08287) in the form that YOLOv9 trains and assigns with."""
import math

import torch
from torch import Tensor


def complete_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """Complete IoU of boxes pair by pair: IoU less the centre distance and the difference in aspect ratio.

    `mmdet.models.losses.ciou_loss` drops the aspect term where the IoU is at most 0.5, and torchvision places eps
    elsewhere; neither gives the published numbers.

    Args:
        boxes1: (..., 4) as (x1, y1, x2, y2), in any unit.
        boxes2: (..., 4), broadcastable against `boxes1`.
        eps: Added to heights, to the union and to the enclosing diagonal.

    Returns:
        (...) in (-1.5, 1].
    """
    x1, y1, x2, y2 = boxes1.unbind(-1)
    u1, v1, u2, v2 = boxes2.unbind(-1)
    w1, h1, w2, h2 = x2 - x1, y2 - y1 + eps, u2 - u1, v2 - v1 + eps
    intersection = ((torch.minimum(x2, u2) - torch.maximum(x1, u1)).clamp(min=0) *
                    (torch.minimum(y2, v2) - torch.maximum(y1, v1)).clamp(min=0))
    iou = intersection / (w1 * h1 + w2 * h2 - intersection + eps)
    diagonal = ((torch.maximum(x2, u2) - torch.minimum(x1, u1)).square() +
                (torch.maximum(y2, v2) - torch.minimum(y1, v1)).square() + eps)
    distance = ((u1 + u2 - x1 - x2).square() + (v1 + v2 - y1 - y2).square()) / 4
    aspect = 4 / math.pi**2 * (torch.atan(w2 / h2) - torch.atan(w1 / h1)).square()
    with torch.no_grad():
        weight = aspect / (aspect - iou + (1 + eps))
    return iou - (distance / diagonal + weight * aspect)
