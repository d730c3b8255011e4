"""The three loss terms of YOLOv9 (https://arxiv.org/abs/2402.13616): classification, box, and distance distribution."""
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..layers import complete_iou, distances_to_boxes, distribution_focal_loss, expected_distances
from ..task_modules.targets import Assignment, BatchTargets, PaddedAssignment


class DensePredictions(NamedTuple):
    """The predictions of a dense head for B images at N points, in float32 or wider.

    Attributes:
        class_logits: (B, C, N).
        box_logits: (B, 4, bins, N) over the distances to the left, top, right and bottom side, in strides.
        points: (N, 2) as (x, y) in pixels.
        strides: (N,) in pixels.
    """
    class_logits: Tensor
    box_logits: Tensor
    points: Tensor
    strides: Tensor

    def boxes(self) -> Tensor:
        """(B, 4, N) as (x1, y1, x2, y2) in pixels, not clipped."""
        distances = expected_distances(self.box_logits, dim=2) * self.strides
        points = self.points.T  # (2, N)
        return torch.cat([points - distances[:, :2], points + distances[:, 2:]], dim=1)


def task_aligned_losses(predictions: DensePredictions, assignment: Assignment | PaddedAssignment,
                        targets: BatchTargets, *, min_normaliser: float = 1.0,
                        positives: Tensor | None = None) -> dict[str, Tensor]:
    """The three losses without their gains, each divided by the sum of all target scores.

    The class target is zero except for one entry per positive point, or several (see `positives`). So binary
    cross-entropy is computed without a dense target: softplus(logit) summed over all points and classes, minus logit *
    score summed over the positive points.

    Args:
        predictions: Of a batch.
        assignment: Its positive points.
        targets: Boxes and labels that `assignment` indexes.
        min_normaliser: Smallest divisor; with 0 the divisor is the sum itself if it is positive.
        positives: (B, G, C), 1 for each class of a box, 0 for others, where a box may have several or none; by default
            each has its label.

    Returns:
        `loss_cls`, `loss_bbox` (1 - CIoU) and `loss_dfl`, scalars, connected to all predictions even without positives.
    """
    images, at, rows, scores = assignment.slots
    total = scores.sum()
    total = total.clamp(min=min_normaliser) if min_normaliser else torch.where(total > 0, total, 1.0)

    if positives is None:
        own_logits = predictions.class_logits[images, targets.labels[images, rows], at]
    else:
        own_logits = (predictions.class_logits[images, :, at] * positives[images, rows]).sum(dim=1)
    cls = F.softplus(predictions.class_logits).sum() - (own_logits * scores).sum()

    strides = predictions.strides[at].unsqueeze(-1)
    points = predictions.points[at] / strides
    boxes = targets.boxes[images, rows] / strides
    box_logits = predictions.box_logits[images, :, :, at]  # (K, 4, bins)
    overlaps = complete_iou(distances_to_boxes(points, expected_distances(box_logits, dim=2)), boxes)
    distances = torch.cat([points - boxes[:, :2], boxes[:, 2:] - points], dim=1)
    dfl = distribution_focal_loss(box_logits, distances).mean(dim=1)
    return dict(
        loss_cls=cls / total,
        loss_bbox=(scores * (1 - overlaps)).sum() / total,
        loss_dfl=(scores * dfl).sum() / total)
