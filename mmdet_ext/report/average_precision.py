"""AP of each class by the COCO evaluation that training and testing use."""
import numpy as np

from ..evaluation.coco_figures import CocoFigures, coco_figures, indexed
from .matching import MOST_DETECTIONS
from .results import DetectionResults


def evaluate(results: DetectionResults) -> CocoFigures:
    """`coco_figures` of the results, at 100 detections of a class in an image; classes as in `results.classes`."""
    annotations, detections = [], []
    for number, image in enumerate(results.images):
        boxes = _sized(image.true_boxes)
        annotations += [
            dict(id=row, image_id=number, category_id=label, bbox=box, area=box[2] * box[3], iscrowd=int(crowd))
            for row, (box, label, crowd) in enumerate(
                zip(boxes, image.true_labels.tolist(), image.ignored.tolist()), len(annotations) + 1)]
        detections += [dict(image_id=number, category_id=label, bbox=box, score=score)
                       for box, label, score in zip(_sized(image.boxes), image.labels.tolist(), image.scores.tolist())]
    truth = indexed(dict(
        images=[dict(id=number, height=image.shape[0], width=image.shape[1])
                for number, image in enumerate(results.images)],
        annotations=annotations, categories=[dict(id=label, name=name) for label, name in enumerate(results.classes)]))
    return coco_figures(truth, detections, max_dets=(1, 10, MOST_DETECTIONS))


def class_ap(figures: CocoFigures) -> np.ndarray:
    """(C, 3): AP, AP50 and AP75 of each class, NaN for a class without objects."""
    precision = figures.precision[:, :, :, 0, -1]  # (thresholds, recalls, C)
    of_threshold = np.where(precision > -1, precision, np.nan).mean(axis=1)
    return np.stack([of_threshold.mean(axis=0), of_threshold[0], of_threshold[5]], axis=1)


def _sized(boxes: np.ndarray) -> list[list[float]]:
    """(N, 4) as x1, y1, x2, y2 to rows of x, y, w, h."""
    boxes = boxes.astype(np.float64).reshape(-1, 4)
    boxes[:, 2:] -= boxes[:, :2]
    return boxes.tolist()
