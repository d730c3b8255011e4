"""Masks of referring expressions as PhraseCut measures them (MDETR, https://arxiv.org/abs/2104.12763, section 4.2)."""
from collections.abc import Sequence
from typing import Any

from mmdet.registry import METRICS
from mmengine.evaluator import BaseMetric
from torchvision.ops import box_convert

from .phrasecut_tasks import Overlap, box_set_iou, overlap, read_tasks

Result = tuple[str | int, int, int, float]  # task, intersection and union of masks, IoU of boxes


@METRICS.register_module()
class PhraseCutMetric(BaseMetric):
    """IoU of the union of all predicted masks of a phrase with the union of all masks that it refers to.

    Results are ``phrasecut/mean_iou`` over the phrases, ``phrasecut/precision@T``, the share of the phrases with an IoU
    strictly above T, and ``phrasecut/cumulative_iou``, the sum of all intersections by that of all unions; and, of
    boxes in place of masks, ``phrasecut/box_mean_iou`` and ``phrasecut/box_precision@T``. The published code prints the
    precision of masks, but returns the precision of boxes under the same name.

    Predictions are `pred_instances` with `masks` bool (N, H, W) and `bboxes` (N, 4) of the original image. All of them
    count, so the model must leave out those with low scores (`score_thr` of `MDETRSegmenter`).

    Args:
        ann_file: PhraseCut's own file, such as ``refer_val.json``, and samples with `task_id`; or one in MDETR's format
            with `segmentation`, and samples with `img_id`. The published conversion to MDETR's format keeps one
            polygon of each instance: to compare with published results use PhraseCut's own file.
        thresholds: Values of T.
    """

    default_prefix = 'phrasecut'

    def __init__(self, ann_file: str, *, thresholds: Sequence[float] = (0.5, 0.6, 0.7, 0.8, 0.9),
                 **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ann_file = ann_file
        self.thresholds = thresholds
        self.key, self.tasks, self.rasterise = read_tasks(ann_file)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            if self.key not in sample:
                raise ValueError(f'the data samples have no {self.key}, by which {self.ann_file} is looked up: add it '
                                 'to meta_keys of PackGroundingInputs')
            key, prediction = sample[self.key], sample['pred_instances']
            if key not in self.tasks:
                raise ValueError(f'{self.ann_file} has no {self.key} {key}, for which there are predictions')
            if 'masks' not in prediction:
                raise ValueError(f'{self.key} {key}: the predictions have no masks, only {sorted(prediction)}')
            task, height, width = self.tasks[key], *sample['ori_shape'][:2]
            masks = prediction['masks']
            if tuple(masks.shape[1:]) != (height, width):
                raise ValueError(f'{self.key} {key}: the masks are of {tuple(masks.shape[1:])}, the image is of '
                                 f'{(height, width)}')
            pixels = overlap(masks.any(dim=0).cpu().numpy(), self.rasterise(task.outlines, height, width))
            boxes = box_convert(prediction['bboxes'].cpu(), 'xyxy', 'xywh').tolist()
            self.results.append((key, *pixels, box_set_iou(boxes, task.boxes)))

    def compute_metrics(self, results: list[Result]) -> dict[str, float]:
        by_task = {key: (Overlap(*pixels), boxes) for key, *pixels, boxes in results}
        if missing := [str(key) for key in self.tasks if key not in by_task]:
            raise ValueError(f'{self.ann_file}: there are no predictions for {len(missing)} of its phrases. The first: '
                             f'{", ".join(missing[:5])}')
        overlaps, box_ious = zip(*by_task.values())
        unions = sum(task.union for task in overlaps)
        return (self._summary([task.iou for task in overlaps], '')
                | dict(cumulative_iou=sum(task.intersection for task in overlaps) / unions if unions else 0.0)
                | self._summary(box_ious, 'box_'))

    def _summary(self, ious: Sequence[float], prefix: str) -> dict[str, float]:
        return {f'{prefix}mean_iou': sum(ious) / len(ious)} | {
            f'{prefix}precision@{threshold}': sum(iou > threshold for iou in ious) / len(ious)
            for threshold in self.thresholds}
