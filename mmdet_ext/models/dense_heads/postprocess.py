"""From class logits to detections: non-maximum suppression per class, and the way back to the original image.

The host waits for a result of the device a few times per batch, not per image: see `batch_detections`.
"""
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
import torchvision
from mmengine.structures import InstanceData
from torch import Tensor

CLASS_OFFSET = 7680  # pixels between the boxes of two classes, wider than any input; the published value
LEAST_SCORE = 1e-38  # about the least that a sigmoid in float32 gives above 0


class Candidates(NamedTuple):
    """Pairs of a point and a class above the threshold: the images' numbers (K,) in rising order, the points' and the
    classes' (K,), and the scores (K,) in [0, 1]."""
    images: Tensor
    points: Tensor
    labels: Tensor
    scores: Tensor


def batch_detections(class_logits: Tensor, boxes_at: Callable[[Tensor, Tensor], Tensor], *, score_thr: float = 0.001,
                     nms: dict | None = None, nms_pre: int = 30000, max_per_img: int = 300, multi_label: bool = True,
                     together: int | None = None) -> list[InstanceData]:
    """Keep the best of overlapping boxes.

    On a GPU the host waits for the number of candidates, for that of each image, and for each call of suppression,
    which takes as many images as have `together` candidates.

    Args:
        class_logits: (B, N, C) of N points.
        boxes_at: Gives the boxes (K, 4) as (x1, y1, x2, y2) in pixels of K points, for the images (K,) and points (K,).
        score_thr: Scores, the logits' sigmoids, must exceed this.
        nms: As mmdet writes it, `dict(type='nms', iou_threshold=0.7, class_agnostic=False)` by default: a box that
            overlaps a better one by more than `iou_threshold` goes; `class_agnostic` says whether also one of another
            class.
        nms_pre: Most candidates of an image that enter.
        max_per_img: Most boxes of an image that remain.
        multi_label: Whether a box may stand for each class above the threshold, or for its best class alone.
        together: Most candidates of several images that enter suppression in one call; by default 30,000 on a GPU and,
            on the CPU, where nothing waits, those of one image.

    Returns:
        For each image `bboxes` (K, 4), `scores` (K,) in falling order, `labels` (K,).
    """
    settings = dict(type='nms', iou_threshold=0.7, class_agnostic=False) | dict(nms or {})
    if settings['type'] != 'nms' or len(settings) > 3:
        raise ValueError(f"nms takes type='nms', iou_threshold and class_agnostic, got {nms}")
    if together is None:
        together = 30000 if class_logits.is_cuda else 0
    candidates = select_candidates(class_logits, score_thr, multi_label)
    boxes = boxes_at(candidates.images, candidates.points)
    shifted = boxes if settings['class_agnostic'] else boxes + candidates.labels.unsqueeze(1) * CLASS_OFFSET
    starts = _starts(candidates.images, len(class_logits))
    best = [start + candidates.scores[start:end].argsort(descending=True)[:nms_pre] for start, end in pairwise(starts)]
    image_offset = CLASS_OFFSET * (class_logits.shape[2] + 1)
    kept = []
    for group in _groups(best, together):
        kept += _suppress(group, len(kept), shifted, candidates, settings['iou_threshold'], image_offset)
    kept = [rows[:max_per_img] for rows in kept]
    return [InstanceData(bboxes=boxes[rows], scores=candidates.scores[rows], labels=candidates.labels[rows])
            for rows in kept]


def select_candidates(class_logits: Tensor, score_thr: float, multi_label: bool = True) -> Candidates:
    """Compare logits (B, N, C), so that nothing but candidates goes through the sigmoid."""
    limit = math.log(max(score_thr, LEAST_SCORE) / (1 - score_thr)) if score_thr < 1 else math.inf
    if multi_label:
        images, points, labels = (class_logits > limit).nonzero(as_tuple=True)
    else:
        best, best_labels = class_logits.max(dim=2)
        images, points = (best > limit).nonzero(as_tuple=True)
        labels = best_labels[images, points]
    return Candidates(images, points, labels, class_logits[images, points, labels].sigmoid())


def to_original_images(results: Sequence[InstanceData], metas: Sequence[dict]) -> None:
    """`to_original_image` for the boxes of each image, whose numbers go to the device at once."""
    if not results:
        return
    frames = results[0].bboxes.new_tensor([_frame(meta) for meta in metas])
    for result, frame in zip(results, frames, strict=True):
        result.bboxes = _to_frame(result.bboxes, frame)


def to_original_image(boxes: Tensor, meta: dict) -> Tensor:
    """Boxes in pixels of the input to pixels of the original image, clipped to it.

    Args:
        boxes: (N, 4) as (x1, y1, x2, y2).
        meta: `ori_shape` (height, width), `scale_factor` (x, y), and `pad_param` (left, top) in pixels, which need not
            be whole, (0, 0) if absent.
    """
    return _to_frame(boxes, boxes.new_tensor(_frame(meta)))


def _frame(meta: dict) -> list[tuple[float, ...]]:
    """Padding, scale and size of the original image, each for x1, y1, x2, y2."""
    height, width = meta['ori_shape'][:2]
    pairs = meta.get('pad_param', (0.0, 0.0)), meta['scale_factor'][:2], (width, height)
    return [(*pair, *pair) for pair in pairs]


def _to_frame(boxes: Tensor, frame: Tensor) -> Tensor:
    pad, scale, size = frame
    return torch.minimum(((boxes - pad) / scale).clamp(min=0), size)


def _starts(images: Tensor, count: int) -> list[int]:
    """Where each of `count` images begins in `images` (K,), and K."""
    if count == 1:
        return [0, len(images)]
    return torch.searchsorted(images, torch.arange(count + 1, device=images.device)).tolist()


def _groups(best: Sequence[Tensor], together: int) -> Iterator[list[Tensor]]:
    """Neighbours that have `together` rows at most, or one alone."""
    group = []
    for rows in best:
        if group and sum(map(len, group)) + len(rows) > together:
            yield group
            group = []
        group.append(rows)
    if group:
        yield group


def _suppress(group: Sequence[Tensor], first_image: int, shifted: Tensor, candidates: Candidates,
              iou_threshold: float, image_offset: int) -> list[Tensor]:
    """Of the rows of each image, `first` and those behind it, the ones that remain, by falling score.

    Images get `image_offset` pixels between them in float64, which rounds away nothing of the boxes in float32.
    """
    if len(group) == 1:
        rows, = group
        return [rows[torchvision.ops.nms(shifted[rows], candidates.scores[rows], iou_threshold)]]
    rows = torch.cat(list(group))
    images = candidates.images[rows] - first_image
    boxes = shifted[rows].double() + images.unsqueeze(1) * image_offset
    kept = torchvision.ops.nms(boxes, candidates.scores[rows].double(), iou_threshold)
    images, order = images[kept].sort(stable=True)
    rows = rows[kept[order]]
    return [rows[start:end] for start, end in pairwise(_starts(images, len(group)))]
