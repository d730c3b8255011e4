"""Small results for tests of reports: built from rows, and at random."""
from collections.abc import Sequence

import numpy as np

from mmdet_ext.report import DetectionResults, ImageResult

Row = tuple[float, ...]  # x1, y1, x2, y2, label, and for a detection the score


def image_of(truth: Sequence[Row] = (), detections: Sequence[Row] = (), crowds: Sequence[int] = (),
             path: str = 'none.jpg', shape: tuple[int, int] = (100, 100)) -> ImageResult:
    true = np.array(truth, np.float32).reshape(-1, 5)
    rows = np.array(sorted(detections, key=lambda row: -row[5]), np.float32).reshape(-1, 6)
    ignored = np.isin(np.arange(len(true)), crowds)
    return ImageResult(path, shape, true[:, :4], true[:, 4].astype(np.int64), ignored, rows[:, :4], rows[:, 5],
                       rows[:, 4].astype(np.int64))


def results_of(*images: ImageResult, num_classes: int = 2) -> DetectionResults:
    return DetectionResults([f'class {number}' for number in range(num_classes)], images)


def random_results(seed: int = 0, num_images: int = 40, num_classes: int = 4, crowds: float = 0.1) -> DetectionResults:
    """Objects, some found well, badly, twice or as another class, and detections of nothing."""
    random = np.random.default_rng(seed)
    images = []
    for _ in range(num_images):
        corners, sizes = random.uniform(0, 70, (random.integers(0, 8), 2)), random.uniform(5, 30, (8, 2))
        truth = np.concatenate([corners, corners + sizes[:len(corners)]], axis=1).reshape(-1, 4)
        labels = random.integers(0, num_classes, len(truth))
        rows = random.integers(0, max(len(truth), 1), random.integers(0, 2 * len(truth) + 1))
        boxes = truth[rows] + random.normal(0, 1, (len(rows), 4)) * random.choice([0.5, 3], (len(rows), 1))
        boxes = np.concatenate([np.minimum(boxes[:, :2], boxes[:, 2:] - 1), boxes[:, 2:]], axis=1)
        nothing = random.uniform(0, 50, (random.integers(0, 3), 4)) + [0, 0, 50, 50]
        boxes = np.concatenate([boxes, nothing])
        other = random.uniform(size=len(boxes)) < 0.2
        new_labels = np.concatenate([labels[rows], np.zeros(len(nothing), int)])
        new_labels = np.where(other, random.integers(0, num_classes, len(boxes)), new_labels)
        scores = random.permutation(np.linspace(0.01, 0.99, len(boxes)))
        images.append(image_of(np.column_stack([truth, labels]), np.column_stack([boxes, new_labels, scores]),
                               np.flatnonzero(random.uniform(size=len(truth)) < crowds)))
    return results_of(*images, num_classes=num_classes)
