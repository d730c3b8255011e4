"""COCO AP without classes: how well a caption's boxes are found, whatever they are."""
from collections.abc import Sequence
from typing import Any

from mmdet.datasets.api_wrappers import COCO
from mmdet.registry import METRICS
from mmengine.evaluator import BaseMetric
from torchvision.ops import box_convert

from ..datasets.annotation_json import load_json
from .coco_figures import coco_figures
from .fast_coco_metric import AP_ITEMS


@METRICS.register_module()
class AgnosticCocoMetric(BaseMetric):
    """COCO AP of boxes with categories left out, over all images of the file.

    Predictions are `pred_instances` with `bboxes` (N, 4) in pixels of the original picture and `scores` (N,); the best
    100 of an image count. A model that detects nothing has an AP of 0.

    Args:
        ann_file: Grounding json: COCO's format, an image for each pair of picture and caption.
    """

    default_prefix = 'agnostic'

    def __init__(self, ann_file: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ann_file = ann_file
        self.coco = COCO()
        self.coco.dataset = load_json(ann_file)
        self.coco.createIndex()

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            if sample['img_id'] not in self.coco.imgs:
                raise ValueError(f'{self.ann_file} has no image {sample["img_id"]}, for which there are predictions')
            prediction = sample['pred_instances']
            boxes = box_convert(prediction['bboxes'].double(), 'xyxy', 'xywh').tolist()
            self.results.append((sample['img_id'], boxes, prediction['scores'].tolist()))

    def compute_metrics(self, results: list[tuple[int, list[list[float]], list[float]]]) -> dict[str, float]:
        rows = [dict(image_id=key, category_id=1, bbox=box, score=score)
                for key, boxes, scores in results for box, score in zip(boxes, scores, strict=True)]
        if not rows:
            return dict.fromkeys((f'bbox_{item}' for item in AP_ITEMS), 0.)
        figures = coco_figures(self.coco, rows, by_class=False)
        return {f'bbox_{item}': float(value) for item, value in zip(AP_ITEMS, figures.stats)}
