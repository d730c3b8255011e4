"""Make detections of class logits and boxes: non-maximum suppression (NMS) per class, and pixels of the original image.

The host waits for the device a few times per batch, not per image: see `batch_detections`.
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
    """Run NMS on all images of a batch.

    On a GPU the host waits for the number of candidates, for the numbers of each image, and for each call of NMS. One
    call takes several images, as long as they have at most `together` candidates.

    Args:
        class_logits: (B, N, C) of N points.
        boxes_at: Function from indices of images (K,) and of points (K,) to boxes (K, 4), (x1, y1, x2, y2) in pixels.
        score_thr: Scores (sigmoids of the logits) must be greater.
        nms: As mmdet writes it, `dict(type='nms', iou_threshold=0.7, class_agnostic=False)` by default: a box that
            overlaps a better one by more than `iou_threshold` is dropped, with `class_agnostic` also if the better one
            has another class.
        nms_pre: Largest number of candidates of an image that enter NMS, the best ones.
        max_per_img: Largest number of detections of an image.
        multi_label: Whether a box may be a detection of every class above the threshold, or only of its best class.
        together: Largest number of candidates of several images in one call of NMS; by default 30,000 on a GPU. On the
            CPU each image has its own call by default.

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
    """The candidates among logits (B, N, C). Logits are compared with the threshold, so only candidates need the
    sigmoid."""
    limit = math.log(max(score_thr, LEAST_SCORE) / (1 - score_thr)) if score_thr < 1 else math.inf
    if multi_label:
        images, points, labels = (class_logits > limit).nonzero(as_tuple=True)
    else:
        best, best_labels = class_logits.max(dim=2)
        images, points = (best > limit).nonzero(as_tuple=True)
        labels = best_labels[images, points]
    return Candidates(images, points, labels, class_logits[images, points, labels].sigmoid())


def to_original_images(results: Sequence[InstanceData], metas: Sequence[dict]) -> None:
    """`to_original_image` for the boxes of each image; the meta information goes to the device in one copy."""
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
    """The index in `images` (K,) at which each of `count` images begins, and K at the end."""
    if count == 1:
        return [0, len(images)]
    return torch.searchsorted(images, torch.arange(count + 1, device=images.device)).tolist()


def _groups(best: Sequence[Tensor], together: int) -> Iterator[list[Tensor]]:
    """Groups of neighbouring images that have at most `together` rows, or of one image that has more."""
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
    """The rows of each image that NMS keeps, by falling score. `first_image` is the number of the group's first image.

    The boxes of different images are moved apart by `image_offset` pixels, in float64, so that they keep their float32
    digits.
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
