"""Two rows of the same config, of compiled and of stand-in operators, are compared."""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .row import Row

SAME_LOSS = 1e-3  # relative; sums in another order differ by less
SAME_BOX = 0.1  # pixels
SAME_SCORE = 1e-3
LEAST_VALUE = 1e-3  # losses and gradients below it are compared with it


@dataclass(frozen=True)
class Comparison:
    """Args:
        loss: Largest relative difference of a loss.
        gradient: Largest relative difference of the norm of a part's gradient.
        boxes: Share of the predicted boxes, or segments, that both have; None if there are none.
        train_ratio: Seconds of a training step, stand-in by compiled.
        predict_ratio: Of a prediction.
    """
    loss: float
    gradient: float
    boxes: float | None
    train_ratio: float | None
    predict_ratio: float | None

    @property
    def agrees(self) -> bool:
        return max(self.loss, self.gradient) <= SAME_LOSS and self.boxes in (1, None)


def compare(compiled: Row, stand_in: Row) -> Comparison:
    """Compare two rows of a config that works with both."""
    return Comparison(loss=_difference(compiled.losses, stand_in.losses),
                      gradient=_difference(compiled.gradients, stand_in.gradients),
                      boxes=_common(compiled.predictions, stand_in.predictions),
                      train_ratio=_ratio(compiled.train_seconds, stand_in.train_seconds),
                      predict_ratio=_ratio(compiled.predict_seconds, stand_in.predict_seconds))


def _difference(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    if first.keys() != second.keys():
        return float('inf')
    return max((abs(first[name] - second[name]) / max(abs(first[name]), LEAST_VALUE) for name in first), default=0.)


def _common(first: Sequence[Sequence[Sequence[float]]], second: Sequence[Sequence[Sequence[float]]]) -> float | None:
    """Share of the rows of both, image by image, that have one of nearly the same values in the other."""
    common = total = 0
    for one, other in zip(first, second, strict=True):
        total += max(len(one), len(other))
        if one and other:
            common += min(_in_other(one, other), _in_other(other, one))
    return common / total if total else None


def _in_other(rows: Sequence[Sequence[float]], others: Sequence[Sequence[float]]) -> int:
    values, among = np.asarray(rows), np.asarray(others)
    tolerance = np.full(values.shape[1], SAME_BOX)
    tolerance[4:5] = SAME_SCORE
    return int((np.abs(values[:, None] - among[None]) <= tolerance).all(-1).any(1).sum())


def _ratio(compiled: float | None, stand_in: float | None) -> float | None:
    return stand_in / compiled if compiled and stand_in else None
