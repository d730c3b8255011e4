"""Precision of referring expressions (MDETR, https://arxiv.org/abs/2104.12763, section 4.2)."""
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from mmdet.registry import METRICS
from mmengine.evaluator import BaseMetric
from torch import Tensor
from torchvision.ops import box_convert, box_iou, generalized_box_iou

from ..annotations.annotation_file import read_grounding

_OVERLAPS = dict(giou=generalized_box_iou, iou=box_iou)


@METRICS.register_module()
class ReferringMetric(BaseMetric):
    """Share of the expressions for which one of the first k boxes is right, ``refexp/NAME_precision@K`` per data set.

    Boxes are sorted by (score, box), descending; a box is right if its overlap with the one target is at least
    `overlap_thr`. Predictions are `pred_instances` with `bboxes` (N, 4) in pixels of the original image and `scores`
    (N,); if the model predicts which box is meant (`predict_final`), `scores_refexp` (N,) are used instead.

    The paper says IoU. The published numbers were measured with GIoU, which is never larger than IoU and so a little
    stricter.

    Args:
        ann_file: Grounding json: COCO's format, an image for each expression, whose `dataset_name` names the data set,
            and exactly one annotation for each image, crowds aside.
        unique_only: Whether images that do not have exactly one annotation are left out, as is done for CLEVR-Ref+,
            whose expressions may refer to several objects. Otherwise they are an error.
        overlap: 'giou', as published, or 'iou'.
        topk: Values of k.
        overlap_thr: Lowest overlap of a right box.
    """

    default_prefix = 'refexp'

    def __init__(self, ann_file: str, *, unique_only: bool = False, overlap: str = 'giou',
                 topk: Sequence[int] = (1, 5, 10), overlap_thr: float = 0.5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if overlap not in _OVERLAPS:
            raise ValueError(f'overlap must be one of {tuple(_OVERLAPS)}, got {overlap!r}')
        self.overlap = _OVERLAPS[overlap]
        self.topk = topk
        self.overlap_thr = overlap_thr
        self.ann_file = ann_file
        content = read_grounding(ann_file)
        self.images = {image['id']: image for image in content['images']}
        boxes = defaultdict(list)
        for row in content['annotations']:
            if not row['iscrowd']:
                boxes[row['image_id']].append(row['bbox'])
        self.targets = {}
        for key, image in self.images.items():
            if (count := len(boxes[key])) != 1:
                if unique_only:
                    continue
                raise ValueError(f'{ann_file}: an expression should have one target, image {key} '
                                 f'({image.get("caption")!r}) has {count} annotations; unique_only=True leaves it out')
            self.targets[key] = boxes[key][0]
        if not self.targets:
            raise ValueError(f'{ann_file}: no image has one annotation, so that there is nothing to measure')

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            key = sample['img_id']
            if key not in self.images:
                raise ValueError(f'{self.ann_file} has no image {key}, for which there are predictions')
            if key not in self.targets:
                continue
            prediction = sample['pred_instances']
            boxes = _sort(prediction['bboxes'], prediction.get('scores_refexp', prediction['scores']))
            target = box_convert(torch.tensor([self.targets[key]], dtype=torch.float64), 'xywh', 'xyxy')
            right = self.overlap(boxes, target)[:, 0] >= self.overlap_thr
            hits = [bool(right[:k].any()) for k in self.topk]
            self.results.append((self.images[key].get('dataset_name', 'unnamed'), hits))

    def compute_metrics(self, results: list[tuple[str, list[bool]]]) -> dict[str, float]:
        if not results:
            raise ValueError(f'{self.ann_file}: there are no predictions for its expressions')
        totals, right = Counter(), Counter()
        for name, hits in results:
            totals[name] += 1
            right.update({(name, k): hit for k, hit in zip(self.topk, hits, strict=True)})
        return {f'{name}_precision@{k}': right[name, k] / totals[name] for name in sorted(totals) for k in self.topk}


def _sort(boxes: Tensor, scores: Tensor) -> Tensor:
    """Boxes (N, 4) as float64, the highest score first, and of equal scores the larger (x1, y1, x2, y2)."""
    rows = sorted(zip(scores.tolist(), boxes.tolist(), strict=True), reverse=True)
    return torch.tensor([box for _, box in rows], dtype=torch.float64).view(-1, 4)
