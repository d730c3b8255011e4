"""COCO AP without classes: how well the boxes of a caption are found."""
from collections.abc import Sequence
from typing import Any

from mmdet.registry import METRICS
from mmengine.evaluator import BaseMetric
from torchvision.ops import box_convert

from ..annotations.annotation_file import read_grounding
from .coco_figures import coco_figures, indexed
from .fast_coco_metric import AP_ITEMS, defined


@METRICS.register_module()
class AgnosticCocoMetric(BaseMetric):
    """COCO AP of boxes with categories left out, over all images of the file.

    Predictions are `pred_instances` with `bboxes` (N, 4) in pixels of the original image and `scores` (N,); the best
    100 of an image count. A model that detects nothing has an AP of 0; an AP is NaN if there is no object of the size.

    Args:
        ann_file: Grounding json: COCO's format, an image for each pair of image and caption.
    """

    default_prefix = 'agnostic'

    def __init__(self, ann_file: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ann_file = ann_file
        self.coco = indexed(read_grounding(ann_file))
        if not any(not row['iscrowd'] for row in self.coco.dataset['annotations']):
            raise ValueError(f'{ann_file}: annotations has no box to be found, so that there is nothing to measure')

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
        figures = coco_figures(self.coco, rows, by_class=False)
        return {f'bbox_{item}': defined(value) for item, value in zip(AP_ITEMS, figures.stats)}
