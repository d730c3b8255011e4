"""COCO's AP and AR, computed by faster-coco-eval where it is installed, else by pycocotools, with the same results."""
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from mmdet.datasets.api_wrappers import COCO, COCOeval
from pycocotools import mask as coco_mask

try:
    from faster_coco_eval import COCOeval_faster
except ImportError:  # pycocotools, which mmdet needs anyway, takes four to eight times as long
    COCOeval_faster = None

AREAS = ('all', 'small', 'medium', 'large')
IOU_THRESHOLDS = np.linspace(.5, .95, 10)


class CocoFigures(NamedTuple):
    """The results of pycocotools; -1 where there is no ground truth.

    stats: (12,), AP, AP50, AP75, AP of small, medium and large objects, AR at each of the three `max_dets`, AR of
        small, medium and large ones. The first AP is that at 100 detections, and -1 if 100 is not among `max_dets`.
    precision: (IoU thresholds, 101 recalls, classes in the order of their ids, 4 areas, 3 `max_dets`).
    recall: (IoU thresholds, classes, 4 areas, 3 `max_dets`).
    """
    stats: np.ndarray
    precision: np.ndarray
    recall: np.ndarray


def indexed(content: dict) -> COCO:
    """A pycocotools `COCO` object with the content of a checked annotation file."""
    coco = COCO()
    coco.dataset = content
    coco.createIndex()
    return coco


def evaluator() -> type:
    """The fastest installed class with the interface of pycocotools' `COCOeval`."""
    return COCOeval_faster or COCOeval


def coco_figures(truth: COCO, detections: Sequence[dict], kind: str = 'bbox', *, cat_ids: Sequence[int] | None = None,
                 max_dets: Sequence[int] = (1, 10, 100), iou_thrs: Sequence[float] = IOU_THRESHOLDS,
                 by_class: bool = True) -> CocoFigures:
    """Evaluate detections on all images of a COCO file. As in data sets, annotations marked as `ignore` do not count.

    Args:
        truth: The annotations of a checked file, which are not changed.
        detections: Rows with `image_id`, `category_id`, `score` and `bbox` (x, y, w, h) in pixels or, for masks,
            `segmentation` as RLE. They are changed in place.
        kind: 'bbox' or 'segm'.
        cat_ids: Ids of the classes to evaluate, None for all of the file.
        max_dets: Three limits for the number of detections per image and class; those with the best scores are kept.
        iou_thrs: IoU thresholds.
        by_class: Whether a detection matches objects of its own class only.

    Raises:
        ValueError: If there are not three `max_dets`, or an image of a detection is not in the file.
    """
    if len(max_dets) != 3:
        raise ValueError(f'max_dets should be three numbers of detections, got {list(max_dets)}')
    image_numbers = {key: number for number, key in enumerate(truth.imgs)}  # ids may be texts, which no evaluator sorts
    cat_ids = sorted(truth.cats) if cat_ids is None else list(cat_ids)
    evaluation = evaluator()(iouType=kind)
    evaluation.cocoGt = _Rows(_truth_rows(truth, image_numbers, cat_ids, by_class), truth, kind)
    evaluation.cocoDt = _Rows(_detection_rows(detections, image_numbers, cat_ids, by_class, kind), truth, kind)
    parameters = evaluation.params
    parameters.imgIds, parameters.catIds = list(image_numbers.values()), sorted(cat_ids) if by_class else [1]
    parameters.maxDets, parameters.iouThrs = sorted(max_dets), np.asarray(iou_thrs)
    evaluation.evaluate()
    evaluation.accumulate()
    precision, recall = evaluation.eval['precision'], evaluation.eval['recall']
    return CocoFigures(summarize(precision, recall, parameters.maxDets, parameters.iouThrs), precision, recall)


def summarize(precision: np.ndarray, recall: np.ndarray, max_dets: Sequence[int], iou_thrs: np.ndarray) -> np.ndarray:
    """The `stats` of `CocoFigures` as pycocotools defines them: faster-coco-eval computes the first one differently."""

    def mean(values: np.ndarray) -> float:
        values = values[values > -1]
        return float(values.mean()) if values.size else -1.

    at_100 = [index for index, number in enumerate(max_dets) if number == 100]
    return np.array([
        mean(precision[..., [0], :][..., at_100]),
        *(mean(precision[iou_thrs == threshold][..., 0, 2]) for threshold in (.5, .75)),
        *(mean(precision[..., area, 2]) for area in (1, 2, 3)),
        *(mean(recall[..., 0, index]) for index in range(3)),
        *(mean(recall[..., area, 2]) for area in (1, 2, 3))])


class _Rows:
    """The part of pycocotools' `COCO` that evaluators read: all rows, and the sizes of images."""

    def __init__(self, rows: list[dict], truth: COCO, kind: str) -> None:
        self.rows = rows
        self.imgs = dict(enumerate(truth.imgs.values())) if kind == 'segm' else {}

    def getAnnIds(self, **_: Any) -> range:
        return range(len(self.rows))

    def loadAnns(self, ids: range) -> list[dict]:
        return self.rows

    annToRLE = COCO.annToRLE


def _truth_rows(truth: COCO, image_numbers: dict, cat_ids: Sequence[int], by_class: bool) -> list[dict]:
    known = set(cat_ids)
    annotations = [row for row in truth.dataset.get('annotations', ())
                   if row['category_id'] in known and not row.get('ignore')]
    rows = []
    for number, row in enumerate(_ordered(annotations, cat_ids, by_class), 1):  # the id 0 would count as no match
        rows.append(dict(row, id=number, image_id=image_numbers[row['image_id']],
                         category_id=row['category_id'] if by_class else 1))
    return rows


def _detection_rows(rows: Sequence[dict], image_numbers: dict, cat_ids: Sequence[int], by_class: bool,
                    kind: str) -> Sequence[dict]:
    if unknown := {row['image_id'] for row in rows} - image_numbers.keys():
        raise ValueError(f'there are detections of the image {min(unknown, key=str)!r}, which the annotation file does '
                         'not have')
    rows = _ordered(rows, cat_ids, by_class)
    for number, row in enumerate(rows, 1):
        area = int(coco_mask.area(row['segmentation'])) if kind == 'segm' else row['bbox'][2] * row['bbox'][3]
        row.update(id=number, image_id=image_numbers[row['image_id']], area=area, iscrowd=0)
        if not by_class:
            row['category_id'] = 1
    return rows


def _ordered(rows: Sequence[dict], cat_ids: Sequence[int], by_class: bool) -> Sequence[dict]:
    """Without classes, the order in which pycocotools matches objects and detections of one image: class by class."""
    if by_class:
        return rows
    class_order = {cat_id: order for order, cat_id in enumerate(cat_ids)}
    return sorted(rows, key=lambda row: class_order.get(row['category_id'], 0))
