"""An exported file against the detector that it was made from: differences of detections, and time."""
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import NamedTuple

import numpy as np
import torch

from ..exported import ExportedPredictor
from ..predict import Detections, Predictor
from ..predict.predictor import Image
from .unpaired import Choice, unexplained

TOLERANCES = dict(fp32=(0.05, 0.001), fp16=(4.0, 0.05), int8=(30.0, 0.3))  # pixels of the original image, and score
NEAR = 5  # times the tolerance: detections further apart are two, and not one that moved


class Difference(NamedTuple):
    """How two lists of detections of an image differ.

    Attributes:
        boxes: Largest distance of a coordinate in a pair, in pixels of the original image.
        scores: Largest difference of scores in a pair.
        pairs: Number of detections that both have.
        alone: Number of detections that only one has.
        unexplained: Those of them that no decision on the edge explains, see `unpaired.unexplained`.
    """
    boxes: float
    scores: float
    pairs: int
    alone: int
    unexplained: int


def difference(first: Detections, second: Detections, precision: str = 'fp32',
               choice: Choice | None = None) -> Difference:
    """Compare two lists of detections: each of the first with the one of the same class in the second whose box and
    score are nearest, if they are near for this number format. `choice` says how detections were chosen;
    without it none may lack a pair."""
    pixels, score = (NEAR * tolerance for tolerance in TOLERANCES[precision])
    gaps = np.zeros((0, 2))
    alone, free = np.ones(len(first), bool), np.ones(len(second), bool)
    for row in range(len(first)):
        candidates = np.flatnonzero(free & (second.labels == first.labels[row]))
        apart = np.stack([np.abs(second.boxes[candidates] - first.boxes[row]).max(1),
                          np.abs(second.scores[candidates] - first.scores[row])], 1)
        far = (apart / (pixels, score)).max(1)
        if len(candidates) and far.min() <= 1:
            best = far.argmin()
            alone[row] = free[candidates[best]] = False
            gaps = np.append(gaps, apart[best:best + 1], axis=0)
    boxes, scores = gaps.max(0, initial=0).tolist()
    return Difference(boxes, scores, len(gaps), len(first) + len(second) - 2 * len(gaps),
                      unexplained((first, second), (alone, free), choice or Choice(), precision))


def agrees(result: Difference, precision: str) -> bool:
    """Whether a difference is within what the number format explains."""
    pixels, score = TOLERANCES[precision]
    return result.boxes <= pixels and result.scores <= score and not result.unexplained


def milliseconds(works: dict[str, Callable[[], object]], repeats: int = 9) -> dict[str, float]:
    """Median time of each function, in turn, after two calls to warm up."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()
        work()
    for _ in range(repeats):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - start)
    return {name: median(values) * 1000 for name, values in times.items()}


def time_against_eager(eager: Predictor, exported: ExportedPredictor, image: Image, text: str | None = None,
                       file_text: str | None = None, *, trained: Predictor | None = None,
                       repeats: int = 9) -> dict[str, float]:
    """Milliseconds for an image, from the normalised tensor to detections.

    Args:
        eager: The detector, in the form in which it was exported.
        exported: The file.
        image: The image.
        text: The caption for the detector.
        file_text: The caption for the file.
        trained: The detector in the form in which it was trained, as mmdet's own tools run it.
        repeats: How often each is timed.

    Returns:
        Of the detector in Python ('eager'), of its form of the training ('as trained'), of the traced network that
        `Predictor` uses ('Predictor'), each where there is one, and of the file ('file').
    """
    inputs, samples = eager.collate([eager.prepare(image, text)])
    file_inputs, file_samples = exported.collate([exported.prepare(image, file_text)])

    @torch.inference_mode()
    def run_model(predictor: Predictor) -> None:
        predictor.model.predict(inputs, samples, rescale=True)

    works = {'eager': partial(run_model, eager)}
    if trained is not None:
        works['as trained'] = partial(run_model, trained)
    if eager.traced_network is not None:
        works['Predictor'] = lambda: eager.infer(inputs, samples)
    works['file'] = lambda: exported.infer(file_inputs, file_samples)
    return milliseconds(works, repeats)

