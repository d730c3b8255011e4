"""Task-aligned assignment (TOOD, https://arxiv.org/abs/2108.07755, section 3.2) as YOLOv9 uses it, for whole batches."""
import torch
from mmdet.registry import TASK_UTILS
from torch import Tensor

from ..layers import complete_iou
from .targets import Assignment, BatchTargets


@TASK_UTILS.register_module()
class BatchTaskAlignedAssigner:
    """Give each box the points inside it that classify and locate it best.

    The metric of a box and a point is score^alpha * max(0, CIoU)^beta. It is computed for the pairs whose point lies in
    the box and for no others; the dense (B, G, N) arrays of the textbook form are not built.

    Args:
        topk: Points per box.
        alpha: Exponent of the score.
        beta: Exponent of the CIoU.
        eps: A point is inside if it is farther than this from every side, in pixels; also guards the normalisation.
    """

    def __init__(self, topk: int = 10, alpha: float = 0.5, beta: float = 6.0, *, eps: float = 1e-9) -> None:
        if topk < 1:
            raise ValueError(f'topk should be at least 1, got {topk}')
        self.topk = topk
        self.alpha = alpha
        self.beta = beta
        self.eps = eps

    @torch.no_grad()
    def __call__(self, class_logits: Tensor, boxes: Tensor, points: Tensor, targets: BatchTargets) -> Assignment:
        """Assign a batch.

        Args:
            class_logits: (B, C, N), float32 or wider.
            boxes: (B, 4, N) predicted, as (x1, y1, x2, y2) in pixels.
            points: (N, 2) as (x, y) in pixels.
            targets: Boxes and labels in pixels and class indices.
        """
        images, rows, at = self._pairs_inside(points, targets)
        overlaps, metrics = self._align(images, rows, at, class_logits, boxes, targets)
        num_boxes, num_points = targets.valid.shape[1], len(points)
        owners = images * num_boxes + rows  # one number per box of the batch
        kept = _top_per_owner(owners, metrics, self.topk)
        # a metric of 0 has no weight in any loss
        kept = kept[metrics[kept] > 0]
        images, rows, at, overlaps, metrics = (x[kept] for x in (images, rows, at, overlaps, metrics))

        cells = images * num_points + at  # one number per point of the batch
        cells, group, counts = cells.unique(return_inverse=True, return_counts=True)
        contested = counts[group] > 1
        if contested.any():
            moved_cells = cells[counts > 1]
            moved = self._settle(moved_cells // num_points, moved_cells % num_points, class_logits, boxes, targets)
            images, rows, at, overlaps, metrics = (
                torch.cat([x[~contested], y]) for x, y in zip((images, rows, at, overlaps, metrics), moved))
        return Assignment(images, at, rows, self._scores(images * num_boxes + rows, overlaps, metrics, targets))

    def _pairs_inside(self, points: Tensor, targets: BatchTargets) -> tuple[Tensor, Tensor, Tensor]:
        """Image, box and point index of every pair of a real box and a point inside it."""
        x, y = points.to(targets.boxes.dtype).unbind(-1)
        x1, y1, x2, y2 = targets.boxes.unsqueeze(-1).unbind(-2)  # (B, G, 1) each
        inside = (x - x1 > self.eps) & (x2 - x > self.eps) & (y - y1 > self.eps) & (y2 - y > self.eps)
        return (inside & targets.valid.unsqueeze(-1)).nonzero(as_tuple=True)

    def _align(self, images: Tensor, rows: Tensor, at: Tensor, class_logits: Tensor, boxes: Tensor,
               targets: BatchTargets) -> tuple[Tensor, Tensor]:
        """Overlap and metric of pairs."""
        overlaps = complete_iou(targets.boxes[images, rows], boxes[images, :, at]).clamp(min=0)
        scores = class_logits[images, targets.labels[images, rows], at].sigmoid()
        return overlaps, scores.pow(self.alpha) * overlaps.pow(self.beta)

    def _settle(self, images: Tensor, at: Tensor, class_logits: Tensor, boxes: Tensor,
                targets: BatchTargets) -> tuple[Tensor, ...]:
        """Give contested points to the box that they overlap most.

        As published, any box of the image can win, even one of which the point was no candidate.
        """
        overlaps = complete_iou(targets.boxes[images], boxes[images, :, at].unsqueeze(1)).clamp(min=0)
        rows = overlaps.masked_fill(~targets.valid[images], -1).argmax(dim=1)
        return (images, rows, at, *self._align(images, rows, at, class_logits, boxes, targets))

    def _scores(self, owners: Tensor, overlaps: Tensor, metrics: Tensor, targets: BatchTargets) -> Tensor:
        """The metric, scaled per box so that its greatest value is the box's greatest overlap."""
        best_metric, best_overlap = (
            x.new_zeros(targets.valid.numel()).scatter_reduce(0, owners, x, 'amax') for x in (metrics, overlaps))
        return metrics * best_overlap[owners] / (best_metric[owners] + self.eps)


def _top_per_owner(owners: Tensor, values: Tensor, k: int) -> Tensor:
    """Indices of the `k` greatest values of each owner; `owners` are sorted."""
    order = values.argsort(descending=True)
    order = order[owners[order].argsort(stable=True)]
    ranked = owners[order]
    rank = torch.arange(len(order), device=order.device) - torch.searchsorted(ranked, ranked)
    return order[rank < k]
