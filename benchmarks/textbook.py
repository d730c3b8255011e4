"""YOLOv9's assignment and loss as a textbook writes them down: dense over images, boxes and points.

Kept for comparison with `BatchTaskAlignedAssigner` and `task_aligned_losses`, which give the same numbers.
"""
import torch
import torch.nn.functional as F
from torch import Tensor

from mmdet_ext.models.layers import complete_iou, distances_to_boxes, distribution_focal_loss, expected_distances
from mmdet_ext.models.losses import DensePredictions
from mmdet_ext.models.task_modules import BatchTargets


@torch.no_grad()
def dense_assign(scores: Tensor, boxes: Tensor, points: Tensor, targets: BatchTargets, *, topk: int = 10,
                 alpha: float = 0.5, beta: float = 6.0, eps: float = 1e-9) -> tuple[Tensor, Tensor, Tensor]:
    """Every box against every point.

    Args:
        scores: (B, N, C) in [0, 1].
        boxes: (B, N, 4) predicted, in pixels.
        points: (N, 2) in pixels.
        targets: G boxes per image.
        topk: Points per box.
        alpha: Exponent of the score.
        beta: Exponent of the CIoU.
        eps: Distance from the sides, and guard of the normalisation.

    Returns:
        Class targets (B, N, C), box targets (B, N, 4), positives (B, N).
    """
    (B, G), (_, N, C) = targets.labels.shape, scores.shape
    deltas = torch.cat([points - targets.boxes[:, :, None, :2], targets.boxes[:, :, None, 2:] - points], dim=-1)
    inside = deltas.amin(dim=-1) > eps  # (B, G, N)
    overlaps = complete_iou(targets.boxes.unsqueeze(2), boxes.unsqueeze(1)).clamp(min=0)  # (B, G, N)
    own_scores = scores.mT.gather(1, targets.labels.unsqueeze(-1).expand(B, G, N))
    metrics = own_scores.pow(alpha) * overlaps.pow(beta)
    best = (metrics * inside).topk(topk, dim=-1).indices
    positive = torch.zeros_like(metrics).scatter_(-1, best, 1.0) * inside * targets.valid.unsqueeze(-1)
    contested = positive.sum(dim=1, keepdim=True) > 1
    winner = F.one_hot(overlaps.argmax(dim=1), G).mT.to(positive)
    positive = torch.where(contested, winner, positive)

    metrics = metrics * positive
    best_overlap = (overlaps * positive).amax(dim=-1, keepdim=True)
    weights = (metrics * best_overlap / (metrics.amax(dim=-1, keepdim=True) + eps)).amax(dim=1)  # (B, N)
    owner = positive.argmax(dim=1)  # (B, N)
    foreground = positive.sum(dim=1) > 0
    labels = targets.labels.gather(1, owner)
    class_targets = F.one_hot(labels, C) * (weights * foreground).unsqueeze(-1)
    return class_targets, targets.boxes.gather(1, owner.unsqueeze(-1).expand(B, N, 4)), foreground


def dense_losses(predictions: DensePredictions, targets: BatchTargets) -> dict[str, Tensor]:
    """Assignment and the three terms before gains, from channel-last copies of the predictions."""
    logits = predictions.class_logits.mT.contiguous()  # (B, N, C)
    box_logits = predictions.box_logits.permute(0, 3, 1, 2).contiguous()  # (B, N, 4, bins)
    strides = predictions.strides.view(1, -1, 1)
    points = predictions.points / strides[0]
    boxes = distances_to_boxes(points, expected_distances(box_logits, dim=3))
    class_targets, box_targets, foreground = dense_assign(logits.detach().sigmoid(), boxes.detach() * strides,
                                                          predictions.points, targets)
    total = class_targets.sum().clamp(min=1)
    weights = class_targets.sum(dim=-1)[foreground]
    box_targets = box_targets / strides
    overlaps = complete_iou(boxes[foreground], box_targets[foreground])
    distances = torch.cat([points - box_targets[..., :2], box_targets[..., 2:] - points], dim=-1)[foreground]
    dfl = distribution_focal_loss(box_logits[foreground], distances).mean(dim=-1)
    return dict(
        loss_cls=F.binary_cross_entropy_with_logits(logits, class_targets, reduction='none').sum() / total,
        loss_bbox=((1 - overlaps) * weights).sum() / total,
        loss_dfl=(dfl * weights).sum() / total)
