"""The kinds of mistakes of TIDE (Bolya et al. 2020, https://arxiv.org/abs/2008.08115, section 3) and what each costs.

The order in which a detection is tested for the kinds is that of the authors' package tidecv, which the paper leaves
open. Unlike there, detections on crowds are no mistakes, and classes without objects do not count, as in COCO's AP.
"""
from dataclasses import dataclass

import numpy as np

from .matching import IOU_THRESHOLD, Matches, Pairs

CLASS, PLACE, BOTH, TWICE, BACKGROUND = range(5)
KINDS = ('wrong class', 'wrong place', 'wrong class and place', 'twice', 'background')
MISSED = 'missed'
MEANINGS = {
    'wrong class': 'on an object of another class, IoU 0.5 or more',
    'wrong place': 'on an object of its class, but with an IoU of 0.1 to 0.5 only',
    'wrong class and place': 'on an object of another class, with an IoU of 0.1 to 0.5',
    'twice': 'on an object that a detection with a higher score has already found',
    'background': 'where no object is: IoU below 0.1 with all of them',
    'missed': 'an object that no detection has, not even in a wrong place or with a wrong class',
}
_RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Mistakes:
    """The mistakes of a data set.

    Attributes:
        kind: (D,) index in `KINDS` for each detection, or -1 where it is right or on a crowd.
        target: (D,) the object that it should have been, by kind: of `CLASS`, `PLACE`, `BOTH` and `TWICE`; else -1.
        ap50: AP at IoU 0.5 of the classes that have objects; None if there are none.
        costs: By kind, `KINDS` and `MISSED`: how much higher AP50 were without these mistakes; None if not defined.
    """
    kind: np.ndarray
    target: np.ndarray
    ap50: float | None
    costs: dict[str, float | None]


def find_mistakes(matches: Matches, num_classes: int) -> Mistakes:
    """Name the kind of every wrong detection, and correct one kind at a time to see what it costs."""
    kind, target = _kinds(matches)
    objects = matches.truths.counts(num_classes)
    detected, counted = matches.detected, ~matches.detected.ignored
    label, score, right = (values[counted] for values in (detected.label, detected.score, detected.right))
    ap50 = _mean(average_precisions(label, score, right, objects))
    costs = {}
    for number, name in enumerate(KINDS):
        corrected = _corrected(matches, kind, target, number)
        ap = _mean(average_precisions(*(values[corrected[2] >= 0] for values in corrected), objects))
        costs[name] = None if ap50 is None else ap - ap50
    missed = missed_objects(matches, kind, target)
    fewer = objects - np.bincount(matches.truths.label[missed], minlength=num_classes)
    aps = average_precisions(label, score, right, fewer)
    aps[(fewer == 0) & (objects > 0) & (np.bincount(label, minlength=num_classes) > 0)] = 0  # wrong detections remain
    ap = _mean(aps[objects > 0])
    costs[MISSED] = None if ap50 is None or ap is None else ap - ap50
    return Mistakes(kind, target, ap50, costs)


def missed_objects(matches: Matches, kind: np.ndarray, target: np.ndarray, threshold: float = 0) -> np.ndarray:
    """(N,) bool: objects that no detection with a score of `threshold` or more has, in no wrong way either."""
    truths, detected = matches.truths, matches.detected
    missed = (truths.detection < 0) & ~truths.ignored
    matched = truths.detection >= 0
    missed[matched] = detected.score[truths.detection[matched]] < threshold
    nearly = target[((kind == CLASS) | (kind == PLACE)) & (detected.score >= threshold)]
    missed[nearly] = False
    return missed


def average_precisions(label: np.ndarray, score: np.ndarray, right: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """AP of each class as pycocotools computes it: (C,), NaN for a class without objects.

    Args:
        label: (D,) classes of the detections.
        score: (D,).
        right: (D,) whether each of them is matched.
        objects: (C,) how many objects each class has.
    """
    order = np.argsort(-score, kind='stable')
    order = order[np.argsort(label[order], kind='stable')]
    right = right[order].astype(bool)
    bounds = np.searchsorted(label[order], np.arange(len(objects) + 1))
    aps = np.full(len(objects), np.nan)
    for number in np.flatnonzero(objects > 0):
        hits = right[bounds[number]:bounds[number + 1]].cumsum()
        if not len(hits):
            aps[number] = 0
            continue
        precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
        rows = np.searchsorted(hits / objects[number], _RECALLS, side='left')
        aps[number] = np.append(precision, 0)[rows].mean()
    return aps


def _kinds(matches: Matches) -> tuple[np.ndarray, np.ndarray]:
    detected, pairs = matches.detected, matches.pairs
    same_iou, same_truth = _best(pairs, pairs.same, len(detected.label))
    other_iou, other_truth = _best(pairs, ~pairs.same, len(detected.label))
    near, on_other, on_same = same_iou > 0, other_iou >= IOU_THRESHOLD, same_iou >= IOU_THRESHOLD
    tests = [near & ~on_same, on_other, on_same, other_iou == 0]
    kind = np.select(tests, [PLACE, CLASS, TWICE, BACKGROUND], BOTH)
    target = np.select([kind == PLACE, kind == TWICE, kind == BACKGROUND], [same_truth, same_truth, -1], other_truth)
    return np.where(detected.wrong, kind, -1), np.where(detected.wrong, target, -1)


def _best(pairs: Pairs, chosen: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """For each detection the largest IoU among the chosen pairs, 0 if there is none, and its object, or -1."""
    rows = np.flatnonzero(chosen)
    rows = rows[np.lexsort((pairs.truth[rows], -pairs.iou[rows], pairs.detection[rows]))]
    detections, first = np.unique(pairs.detection[rows], return_index=True)
    iou, truth = np.zeros(count), np.full(count, -1)
    iou[detections], truth[detections] = pairs.iou[rows[first]], pairs.truth[rows[first]]
    return iou, truth


def _corrected(matches: Matches, kind: np.ndarray, target: np.ndarray, number: int) -> tuple[np.ndarray, ...]:
    """Labels, scores and whether right (1), wrong (0) or left out (-1), with the mistakes of one kind corrected.

    Where several mistakes have the same object, the one with the highest score is corrected; the others, and those
    whose object is found anyway, are left out.
    """
    truths, detected = matches.truths, matches.detected
    label, right = detected.label.copy(), np.where(detected.ignored, -1, detected.right.astype(int))
    right[kind == number] = -1
    if number in (CLASS, PLACE):
        rows = np.flatnonzero((kind == CLASS) | (kind == PLACE))
        rows = rows[truths.detection[target[rows]] < 0]
        rows = rows[np.argsort(-detected.score[rows], kind='stable')]
        best = rows[np.unique(target[rows], return_index=True)[1]]
        best = best[kind[best] == number]
        right[best] = 1
        label[best] = truths.label[target[best]]
    return label, detected.score, right


def _mean(values: np.ndarray) -> float | None:
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else None
