"""Precision, recall and F1 of each class over the confidence, at IoU 0.5."""
from dataclasses import dataclass

import numpy as np

from .matching import Matches


@dataclass(frozen=True)
class ScoreCurves:
    """What one gets from a detector whose detections below a threshold are left out.

    Attributes:
        thresholds: (T,) scores; a detection counts if its own is as high or higher.
        precision: (C, T): right detections of all; NaN where there are none.
        recall: (C, T): objects that are detected; NaN where the class has none.
        f1: (C, T): 2 right / (objects + detections); NaN where the class has no objects.
    """
    thresholds: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray

    @property
    def best(self) -> int | None:
        """Index of the threshold with the best mean F1 of the classes; None if no class has objects or detections."""
        mean = mean_of_classes(self.f1)
        return None if not np.nanmax(mean, initial=0) > 0 else best_index(mean)

    def best_of(self, label: int) -> int | None:
        """The same of a class."""
        return None if not np.nanmax(self.f1[label], initial=0) > 0 else best_index(self.f1[label])


def score_curves(matches: Matches, num_classes: int, steps: int = 1000) -> ScoreCurves:
    """Count at `steps` + 1 thresholds from 0 to 1, or to the best score where that is under 0.2."""
    detected, objects = matches.detected, matches.truths.counts(num_classes)[:, None]
    counted = ~detected.ignored
    highest = detected.score[counted].max(initial=0)
    thresholds = np.linspace(0, highest if 0 < highest < 0.2 else 1, steps + 1)
    detections, right = (_counts(detected.label[rows], detected.score[rows], thresholds, num_classes)
                         for rows in (counted, detected.right))
    with np.errstate(divide='ignore', invalid='ignore'):
        f1 = np.where(objects > 0, 2 * right / (objects + detections), np.nan)
        return ScoreCurves(thresholds, right / detections, np.where(objects > 0, right / objects, np.nan), f1)


def mean_of_classes(values: np.ndarray) -> np.ndarray:
    """(C, T) -> (T,): the mean of the classes in which it is defined; NaN where it is in none."""
    defined = ~np.isnan(values)
    with np.errstate(invalid='ignore'):
        return np.nansum(values, axis=0) / defined.sum(axis=0)


def best_index(values: np.ndarray) -> int:
    """Index of the largest value; where it is reached several times in a row, the middle of the first row."""
    largest = values >= np.nanmax(values) - 1e-9
    first = int(largest.argmax())
    row = int((~largest[first:]).argmax()) or len(values) - first
    return first + (row - 1) // 2


def _counts(labels: np.ndarray, scores: np.ndarray, thresholds: np.ndarray, num_classes: int) -> np.ndarray:
    """(C, T) how many of a class have a score of a threshold or more."""
    steps = np.searchsorted(thresholds, scores, side='right')  # how many thresholds a score reaches
    counts = np.bincount(labels * (len(thresholds) + 1) + steps, minlength=num_classes * (len(thresholds) + 1))
    return counts.reshape(num_classes, -1)[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
