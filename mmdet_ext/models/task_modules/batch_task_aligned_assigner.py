"""Task-aligned assignment (TOOD, https://arxiv.org/abs/2108.07755, section 3.2) as YOLOv9 uses it, for batches."""
from typing import NamedTuple

import torch
from mmdet.registry import TASK_UTILS
from torch import Tensor

from ..layers import complete_iou
from .targets import Assignment, BatchTargets, PaddedAssignment

# Pairs of a box and a point that are computed at once: on the CPU few enough to stay in its caches.
CPU_PAIRS, DEVICE_PAIRS = 2**19, 2**22


class _Candidates(NamedTuple):
    """The best k points of each of G boxes, and the best box of each of N points.

    points: (B, G, k) indices. metrics: (B, G, k), 0 where a point lies outside its box. best_rows: (B, N), the box that
    overlaps a point's prediction most.
    """
    points: Tensor
    metrics: Tensor
    best_rows: Tensor


@TASK_UTILS.register_module()
class BatchTaskAlignedAssigner:
    """Assign to each box the points inside it whose predictions classify and locate it best.

    The metric of a box and a point is score^alpha * max(0, CIoU)^beta. Boxes are processed in chunks with a fixed
    number of pairs, which limits memory. All shapes follow from the shapes of the inputs, so the host never waits for
    the device.

    Args:
        topk: Points per box.
        alpha: Exponent of the score.
        beta: Exponent of the CIoU.
        eps: A point is inside if it is farther than this from every side, in pixels; also avoids division by zero.
    """

    def __init__(self, topk: int = 10, alpha: float = 0.5, beta: float = 6.0, *, eps: float = 1e-9) -> None:
        if topk < 1:
            raise ValueError(f'topk should be at least 1, got {topk}')
        self.topk = topk
        self.alpha = alpha
        self.beta = beta
        self.eps = eps

    @torch.no_grad()
    def __call__(self, class_logits: Tensor, boxes: Tensor, points: Tensor, targets: BatchTargets) -> PaddedAssignment:
        """Assign a batch.

        Args:
            class_logits: (B, C, N), float32 or wider.
            boxes: (B, 4, N) predicted, as (x1, y1, x2, y2) in pixels.
            points: (N, 2) as (x, y) in pixels.
            targets: Ground truth: boxes in pixels, labels as class indices.

        Returns:
            An assignment with B * G * min(topk, N) entries (slots), some of them empty.
        """
        candidates = self._candidates(class_logits, boxes, points, targets)
        batch, num_boxes, k = candidates.points.shape
        images = torch.arange(batch, device=points.device).unsqueeze(1).expand(-1, num_boxes * k)
        slot_rows = torch.arange(num_boxes, device=points.device).repeat_interleave(k, output_size=num_boxes * k)
        at, metrics = candidates.points.flatten(1), candidates.metrics.flatten(1)  # (B, S)
        # a metric of 0 has no weight in any loss
        rows, kept = _settle(at, slot_rows, metrics > 0, candidates.best_rows)
        overlaps, metrics = self._align(images, rows, at, class_logits, boxes, targets)
        overlaps, metrics = overlaps * kept, metrics * kept
        best_metric, best_overlap = (
            x.new_zeros(batch, num_boxes).scatter_reduce(1, rows, x, 'amax') for x in (metrics, overlaps))
        # scaled per box so that its greatest value is the box's greatest overlap
        scores = metrics * best_overlap.gather(1, rows) / (best_metric.gather(1, rows) + self.eps)
        return PaddedAssignment(Assignment(images.flatten(), at.flatten(), rows.flatten(), scores.flatten()))

    def _candidates(self, class_logits: Tensor, boxes: Tensor, points: Tensor, targets: BatchTargets) -> _Candidates:
        batch, num_boxes = targets.valid.shape
        pairs = CPU_PAIRS if points.device.type == 'cpu' else DEVICE_PAIRS
        step = max(1, pairs // (batch * len(points)))
        images = torch.arange(batch, device=points.device).unsqueeze(1)
        points = points.to(targets.boxes.dtype)
        boxes = boxes.contiguous().mT.unsqueeze(1)  # (B, 1, N, 4), whose coordinates are rows in memory
        truth = (targets.boxes * targets.valid.unsqueeze(2)).unsqueeze(2)  # a box without size holds no point
        metrics, at, greatest, best_rows = [], [], None, None
        for start in range(0, num_boxes, step):
            part, labels = truth[:, start:start + step], targets.labels[:, start:start + step]
            overlaps = complete_iou(part, boxes).clamp_(min=0)  # (B, G', N)
            metric = _power(overlaps, self.beta).mul_(_power(class_logits[images, labels].sigmoid_(), self.alpha))
            top = metric.mul_(_is_inside(points, part, self.eps)).topk(min(self.topk, len(points)), sorted=False)
            metrics.append(top.values)
            at.append(top.indices)
            values, rows = _first_greatest(overlaps)
            if start:
                rows = torch.where(values > greatest, rows + start, best_rows)
                values = torch.maximum(values, greatest)
            greatest, best_rows = values, rows
        return _Candidates(torch.cat(at, dim=1), torch.cat(metrics, dim=1), best_rows)

    def _align(self, images: Tensor, rows: Tensor, at: Tensor, class_logits: Tensor, boxes: Tensor,
               targets: BatchTargets) -> tuple[Tensor, Tensor]:
        """CIoU and metric of the box and point of each slot."""
        overlaps = complete_iou(targets.boxes[images, rows], boxes[images, :, at]).clamp(min=0)
        scores = class_logits[images, targets.labels[images, rows], at].sigmoid()
        return overlaps, scores.pow(self.alpha) * overlaps.pow(self.beta)


def _settle(at: Tensor, slot_rows: Tensor, positive: Tensor, best_rows: Tensor) -> tuple[Tensor, Tensor]:
    """Give a point that several boxes claim to the box that its prediction overlaps most.

    As published, any box of the image can get the point, even one that did not choose it: it then gets the first slot
    of the point.

    Args:
        at: (B, S), the point of each slot.
        slot_rows: (S, ), the box of each slot.
        positive: (B, S) bool.
        best_rows: (B, N), the box that overlaps a point most.

    Returns:
        (B, S), the box that each slot's point goes to; (B, S) bool, whether the slot is used.
    """
    num_slots = at.shape[1]
    counts = torch.zeros_like(best_rows).scatter_add(1, at, positive.long())
    order = torch.arange(num_slots, device=at.device).where(positive, num_slots)  # (B, S)
    first = torch.full_like(best_rows, num_slots).scatter_reduce(1, at, order, 'amin')
    contested = counts.gather(1, at) > 1
    rows = torch.where(contested, best_rows.gather(1, at), slot_rows)
    return rows, positive & (~contested | (first.gather(1, at) == order))


def _is_inside(points: Tensor, boxes: Tensor, eps: float) -> Tensor:
    """(N, 2) and (B, G, 1, 4) -> (B, G, N), 1 where a point is farther than `eps` from every side, else 0.

    In floating point throughout: comparing and selecting take several times as long on the CPU.
    """
    x, y = points.unbind(-1)
    x1, y1, x2, y2 = boxes.unbind(-1)
    distance = torch.minimum(torch.minimum(x - x1, x2 - x), torch.minimum(y - y1, y2 - y))
    return distance.sub_(eps).sign_().clamp_(min=0)


def _first_greatest(values: Tensor) -> tuple[Tensor, Tensor]:
    """(B, G, N) -> the greatest value of each point (B, N) and the first box that has it (B, N).

    As `max` over dimension 1 does, which takes several times as long on the CPU.
    """
    greatest = values.amax(dim=1, keepdim=True)
    is_greatest = (values - greatest).sign_().add_(1)
    order = torch.arange(values.shape[1], 0, -1, device=values.device, dtype=values.dtype)  # the first has the largest
    return greatest.squeeze(1), values.shape[1] - is_greatest.mul_(order.unsqueeze(1)).amax(dim=1).long()


def _power(base: Tensor, exponent: float) -> Tensor:
    """`base` ** `exponent`; by 6 in three products, which take a quarter of the time of `torch.pow` on the CPU."""
    return (base * base * base).square_() if exponent == 6 else base.pow(exponent)
