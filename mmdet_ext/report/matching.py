"""Detections matched to true objects as COCO's evaluation does it, at IoU 0.5, for a whole data set in flat arrays."""
from dataclasses import dataclass

import numpy as np
from pycocotools import mask as coco_mask

from .results import DetectionResults, ImageResult

IOU_THRESHOLD = 0.5
LEAST_IOU = 0.1  # of pairs: below it a detection lies on background, as Bolya et al. 2020 say
MOST_DETECTIONS = 100  # of a class in an image: those with the best scores count, as in COCO's AP


@dataclass(frozen=True)
class Truths:
    """The N true objects of a data set.

    Attributes:
        image: (N,) number of the image.
        row: (N,) place among the objects of that image.
        label: (N,) index of the class.
        area: (N,) of the box, in square pixels.
        ignored: (N,) bool: crowds.
        detection: (N,) which of the detections is matched to it, or -1.
    """
    image: np.ndarray
    row: np.ndarray
    label: np.ndarray
    area: np.ndarray
    ignored: np.ndarray
    detection: np.ndarray

    def counts(self, num_classes: int) -> np.ndarray:
        """(C,) how many objects each class has, without crowds."""
        return np.bincount(self.label[~self.ignored], minlength=num_classes)


@dataclass(frozen=True)
class Detected:
    """The D detections of a data set that count, by image and descending score.

    Attributes:
        image: (D,) number of the image.
        row: (D,) place among the detections of that image.
        label: (D,) index of the class.
        score: (D,) in [0, 1].
        truth: (D,) which of the true objects is matched to it, or -1.
        ignored: (D,) bool: it lies on a crowd of its class, and is neither right nor wrong.
    """
    image: np.ndarray
    row: np.ndarray
    label: np.ndarray
    score: np.ndarray
    truth: np.ndarray
    ignored: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """(D,) bool."""
        return self.truth >= 0

    @property
    def wrong(self) -> np.ndarray:
        """(D,) bool."""
        return (self.truth < 0) & ~self.ignored


@dataclass(frozen=True)
class Pairs:
    """The P pairs of a detection and a true object of an image, not a crowd, with an IoU of `LEAST_IOU` or more.

    Attributes:
        detection: (P,) index among the detections.
        truth: (P,) index among the true objects.
        iou: (P,) in [LEAST_IOU, 1].
        same: (P,) bool: both have the same class.
    """
    detection: np.ndarray
    truth: np.ndarray
    iou: np.ndarray
    same: np.ndarray


@dataclass(frozen=True)
class Matches:
    """True objects, detections, and which of them belong together."""
    truths: Truths
    detected: Detected
    pairs: Pairs


def match(results: DetectionResults) -> Matches:
    """Match greedily, the best score first: a detection gets the free object of its class with the largest IoU.

    Raises:
        ValueError: A label is not the index of a class.
    """
    images = results.images
    for values in ('true_labels', 'labels'):
        labels = _joined([getattr(image, values) for image in images], np.int64)
        if labels.size and not 0 <= labels.min() <= labels.max() < len(results.classes):
            raise ValueError(f'{values} should be indices of {len(results.classes)} classes, got '
                             f'{labels.min()} to {labels.max()}')
    truths = _truths(images)
    detected = _detections(images)
    pairs, crowds = _pairs(images, truths, detected)
    _assign(truths, detected, pairs)
    on_crowd = np.unique(crowds.detection[crowds.same & (crowds.iou >= IOU_THRESHOLD)])
    detected.ignored[on_crowd] = detected.truth[on_crowd] < 0
    return Matches(truths, detected, pairs)


def _truths(images: list[ImageResult]) -> Truths:
    boxes = _joined([image.true_boxes for image in images], np.float64).reshape(-1, 4)
    image, row = _places([len(image.true_labels) for image in images])
    label = _joined([image.true_labels for image in images], np.int64)
    ignored = _joined([image.ignored for image in images], bool)
    return Truths(image, row, label, (boxes[:, 2:] - boxes[:, :2]).prod(axis=1), ignored, np.full(len(label), -1))


def _detections(images: list[ImageResult]) -> Detected:
    image, row = _places([len(image.labels) for image in images])
    label = _joined([image.labels for image in images], np.int64)
    score = _joined([image.scores for image in images], np.float64)
    order = np.lexsort((-score, image))
    by_class = order[np.lexsort((label[order], image[order]))]  # lexsort keeps the order by score
    groups = np.stack([image[by_class], label[by_class]])
    starts = np.flatnonzero(np.r_[True, (np.diff(groups) != 0).any(axis=0)][:len(label)])
    rank = np.arange(len(label)) - np.repeat(starts, np.diff(np.r_[starts, len(label)]))
    counts = np.zeros(len(label), bool)
    counts[by_class] = rank < MOST_DETECTIONS
    order = order[counts[order]]
    return Detected(image[order], row[order], label[order], score[order], np.full(len(order), -1),
                 np.zeros(len(order), bool))


def _pairs(images: list[ImageResult], truths: Truths, detected: Detected) -> tuple[Pairs, Pairs]:
    """Pairs with objects, and pairs with crowds."""
    first_truth, first_detected = (np.searchsorted(image, np.arange(len(images) + 1)) for image in (truths.image,
                                                                                                detected.image))
    parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for number, image in enumerate(images):
        rows = detected.row[first_detected[number]:first_detected[number + 1]]
        if not len(rows) or not len(image.true_boxes):
            continue
        iou = coco_mask.iou(_sized(image.boxes[rows]), _sized(image.true_boxes), image.ignored.astype(np.uint8))
        detection, truth = np.nonzero(iou >= LEAST_IOU)
        parts.append((detection + first_detected[number], truth + first_truth[number], iou[detection, truth]))
    detection, truth, iou = (np.concatenate(part) for part in zip(*parts))
    pairs = (detection, truth, iou, detected.label[detection] == truths.label[truth])
    crowd = truths.ignored[truth]
    return Pairs(*(values[~crowd] for values in pairs)), Pairs(*(values[crowd] for values in pairs))


def _assign(truths: Truths, detected: Detected, pairs: Pairs) -> None:
    """Fill `truth` of the detections and `detection` of the objects; of equal IoU the last one wins, as in COCO."""
    rows = np.flatnonzero(pairs.same & (pairs.iou >= IOU_THRESHOLD))
    rows = rows[np.lexsort((-pairs.truth[rows], -pairs.iou[rows], pairs.detection[rows]))]
    truth_of, detection_of = {}, {}
    for detection, truth in zip(pairs.detection[rows].tolist(), pairs.truth[rows].tolist()):
        if detection not in truth_of and truth not in detection_of:
            truth_of[detection], detection_of[truth] = truth, detection
    detected.truth[list(truth_of)] = list(truth_of.values())
    truths.detection[list(detection_of)] = list(detection_of.values())


def _places(counts: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """For each object the number of its image and its place there."""
    counts = np.array(counts, np.int64)
    image = np.repeat(np.arange(len(counts)), counts)
    return image, np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)


def _joined(parts: list[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype), *(np.asarray(part, dtype).reshape(-1) for part in parts)])


def _sized(boxes: np.ndarray) -> np.ndarray:
    """(x1, y1, x2, y2) to (x, y, w, h), float64."""
    boxes = boxes.astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    return boxes
