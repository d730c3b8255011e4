"""COCO AP as YOLO papers report it, and one number to choose checkpoints by."""
from typing import Any
from collections.abc import Sequence

import numpy as np
from mmdet.registry import METRICS

from .fast_coco_metric import FastCocoMetric


@METRICS.register_module()
class YOLOCocoMetric(FastCocoMetric):
    """`FastCocoMetric` with `fitness` = 0.1 AP50 + 0.9 AP among its results.

    Boxes are rounded to 3 decimals and scores to 5 before evaluation. At most 100 detections of an image count, also
    in AP50 and AP75, where `CocoMetric` counts 1000. A model that detects nothing has an AP of 0 instead of none.

    Args:
        proposal_nums: pycocotools' limits for the number of detections per image; the largest is used for all AP except
            mAP, which uses 100.
    """

    def __init__(self, *args: Any, proposal_nums: Sequence[int] = (1, 10, 100), **kwargs: Any) -> None:
        super().__init__(*args, proposal_nums=proposal_nums, **kwargs)
        if self.metrics != ['bbox']:
            raise ValueError(f"YOLOCocoMetric evaluates metric='bbox' only, got {self.metrics}")
        if self.metric_items is not None and not {'mAP', 'mAP_50'} <= set(self.metric_items):
            raise ValueError(f"metric_items must have 'mAP' and 'mAP_50', which make fitness, got {self.metric_items}")

    def rounded_boxes(self, boxes: np.ndarray) -> np.ndarray:
        return boxes.round(3)

    def rounded_scores(self, scores: np.ndarray) -> np.ndarray:
        return scores.round(5)

    def compute_metrics(self, results: list) -> dict[str, float]:
        metrics = super().compute_metrics(results)
        if not self.format_only:
            metrics['fitness'] = 0.1 * metrics['bbox_mAP_50'] + 0.9 * metrics['bbox_mAP']
        return metrics
