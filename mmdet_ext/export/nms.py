"""NMS in a graph, with the results of `batch_detections`."""
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor

from ..models.dense_heads.postprocess import CLASS_OFFSET, LEAST_SCORE


class Rules(NamedTuple):
    """The arguments of `batch_detections` that a graph follows."""
    score_thr: float
    iou_threshold: float
    max_per_img: int
    multi_label: bool
    class_agnostic: bool


def rules_of(test_cfg: dict | None) -> Rules:
    """The rules in a `test_cfg`, with the defaults of `batch_detections`.

    `nms_pre` is not among them: NMS goes through candidates by falling score, so more of them add detections only where
    fewer than `max_per_img` are left of the first `nms_pre`.

    Raises:
        ValueError: A value is out of its range, or NMS is of another type.
    """
    settings = dict(test_cfg or {})
    nms = dict(type='nms', iou_threshold=0.7, class_agnostic=False) | dict(settings.get('nms') or {})
    if nms['type'] != 'nms':
        raise ValueError(f"test_cfg.nms.type should be 'nms' to be exported, got {nms['type']!r}")
    rules = Rules(float(settings.get('score_thr', 0.001)), float(nms['iou_threshold']),
                  int(settings.get('max_per_img', 300)), bool(settings.get('multi_label', True)),
                  bool(nms['class_agnostic']))
    for name in ('score_thr', 'iou_threshold'):
        if not 0 <= getattr(rules, name) <= 1:
            raise ValueError(f'{name} should be between 0 and 1, got {getattr(rules, name)}')
    if rules.max_per_img < 1:
        raise ValueError(f'max_per_img should be at least 1, got {rules.max_per_img}')
    return rules


def detections(boxes: Tensor, scores: Tensor, rules: Rules) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Run NMS on a batch.

    Args:
        boxes: (B, N, 4) as (x1, y1, x2, y2) in pixels.
        scores: (B, C, N).
        rules: Thresholds and kind of NMS.

    Returns:
        `num_dets` (B,), `boxes` (B, K, 4), `scores` (B, K), `labels` (B, K) with K = `max_per_img`.
    """
    best, best_labels = scores.max(dim=1)  # (B, N)
    if rules.class_agnostic:
        # the best class of a box drops its others, which are the same box: `multi_label` makes no difference
        candidates = best[:, None]
    elif rules.multi_label:
        candidates = scores
    else:
        classes = torch.arange(scores.shape[1], device=scores.device)
        candidates = scores * (classes[None, :, None] == best_labels[:, None])
    # (M, 3): image, class, point
    if torch.onnx.is_in_onnx_export():
        selected = _OnnxNMS.apply(boxes, candidates, rules.max_per_img, rules.iou_threshold, rules.score_thr)
    else:
        selected = select(boxes, candidates, rules.iou_threshold, rules.score_thr)
    images, labels, points = selected.unbind(1)
    values = candidates[images, labels, points]
    if rules.class_agnostic:
        labels = best_labels[images, points]
    return _padded(images, labels, points, values, boxes, rules.max_per_img)


def select(boxes: Tensor, scores: Tensor, iou_threshold: float, score_thr: float) -> Tensor:
    """(M, 3), image, class and point of what NMS keeps: what ONNX's `NonMaxSuppression` gives, in another order and
    without limit.

    The boxes of different images and classes are moved apart, in float64, which keeps the digits of float32.
    """
    candidates = (scores > max(score_thr, LEAST_SCORE)).nonzero()  # (K, 3)
    images, labels, points = candidates.unbind(1)
    groups = images * (scores.shape[1] + 1) + labels
    shifted = boxes[images, points].double() + groups[:, None] * CLASS_OFFSET
    kept = torchvision.ops.nms(shifted, scores[images, labels, points].double(), iou_threshold)
    return candidates[kept]


def _padded(images: Tensor, labels: Tensor, points: Tensor, values: Tensor, boxes: Tensor,
            most: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The best `most` detections of each image, from the numbers of the images, labels, points and scores (M,) of
    all."""
    rows = torch.arange(boxes.shape[0], device=boxes.device)
    of_image = torch.where(images == rows[:, None], values, -torch.ones_like(values))  # (B, M)
    top, at = F.pad(of_image, (0, most), value=-1.0).topk(most, dim=1)  # (B, most)
    valid = top > 0
    points, labels = F.pad(points, (0, most))[at], F.pad(labels, (0, most))[at]
    kept = boxes.gather(1, points[..., None].expand(-1, -1, 4))
    return valid.sum(1), kept * valid[..., None], top.clamp(min=0), torch.where(valid, labels, -torch.ones_like(labels))


class _OnnxNMS(torch.autograd.Function):
    """`select`, which becomes a node `NonMaxSuppression` in ONNX."""

    @staticmethod
    def forward(ctx: Any, boxes: Tensor, scores: Tensor, most: int, iou_threshold: float, score_thr: float) -> Tensor:
        return select(boxes, scores, iou_threshold, score_thr)

    @staticmethod
    def symbolic(g: Any, boxes: Any, scores: Any, most: int, iou_threshold: float, score_thr: float) -> Any:
        limits = (torch.tensor([most]), torch.tensor([iou_threshold], dtype=torch.float32),
                  torch.tensor([score_thr], dtype=torch.float32))
        constants = [g.op('Constant', value_t=limit) for limit in limits]
        return g.op('NonMaxSuppression', boxes, scores, *constants)
