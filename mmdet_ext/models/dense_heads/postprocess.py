"""From dense scores to detections: non-maximum suppression per class, and the way back to the original image."""
import torch
import torchvision
from mmengine.structures import InstanceData
from torch import Tensor

CLASS_OFFSET = 7680  # pixels between the boxes of two classes, wider than any input; the published value


def multiclass_nms(boxes: Tensor, scores: Tensor, *, score_thr: float = 0.001, nms: dict | None = None,
                   nms_pre: int = 30000, max_per_img: int = 300, multi_label: bool = True) -> InstanceData:
    """Keep the best of overlapping boxes.

    Args:
        boxes: (N, 4) as (x1, y1, x2, y2) in pixels.
        scores: (N, C) in [0, 1].
        score_thr: Scores must exceed this.
        nms: As mmdet writes it, `dict(type='nms', iou_threshold=0.7, class_agnostic=False)` by default: a box that
            overlaps a better one by more than `iou_threshold` goes; `class_agnostic` says whether also one of another
            class.
        nms_pre: Most candidates that enter.
        max_per_img: Most boxes that remain.
        multi_label: Whether a box may stand for each class above the threshold, or for its best class alone.

    Returns:
        `bboxes` (K, 4), `scores` (K,) in falling order, `labels` (K,).
    """
    settings = dict(type='nms', iou_threshold=0.7, class_agnostic=False) | dict(nms or {})
    if settings['type'] != 'nms' or len(settings) > 3:
        raise ValueError(f"nms takes type='nms', iou_threshold and class_agnostic, got {nms}")
    if multi_label:
        at, labels = (scores > score_thr).nonzero(as_tuple=True)
        candidates = scores[at, labels]
    else:
        candidates, labels = scores.max(dim=1)
        at = (candidates > score_thr).nonzero().squeeze(1)
        candidates, labels = candidates[at], labels[at]
    order = candidates.argsort(descending=True)[:nms_pre]
    at, labels, candidates = at[order], labels[order], candidates[order]
    offset = 0 if settings['class_agnostic'] else labels.unsqueeze(1) * CLASS_OFFSET
    kept = torchvision.ops.nms(boxes[at] + offset, candidates, settings['iou_threshold'])[:max_per_img]
    return InstanceData(bboxes=boxes[at[kept]], scores=candidates[kept], labels=labels[kept])


def to_original_image(boxes: Tensor, meta: dict) -> Tensor:
    """Boxes in pixels of the input to pixels of the original image, clipped to it.

    Args:
        boxes: (N, 4) as (x1, y1, x2, y2).
        meta: `ori_shape` (height, width), `scale_factor` (x, y), and `pad_param` (left, top) in pixels, which need not
            be whole, (0, 0) if absent.
    """
    pad = boxes.new_tensor(meta.get('pad_param', (0.0, 0.0))).repeat(2)
    scale = boxes.new_tensor(meta['scale_factor'][:2]).repeat(2)
    height, width = meta['ori_shape'][:2]
    boxes = (boxes - pad) / scale
    return torch.minimum(boxes.clamp(min=0), boxes.new_tensor([width, height, width, height]))
