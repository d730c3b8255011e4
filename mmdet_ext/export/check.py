"""An exported file against the detector that it was made from: differences of detections, and time."""
import time
from collections.abc import Callable
from statistics import median
from typing import NamedTuple

import numpy as np
import torch

from ..exported import ExportedPredictor
from ..predict import Detections, Predictor
from ..predict.predictor import Image

TOLERANCES = {'fp32': (0.05, 0.001), 'fp16': (4.0, 0.05)}  # pixels of the original image, and score


class Difference(NamedTuple):
    """How two lists of detections of an image differ.

    Attributes:
        boxes: Largest distance of a coordinate, in pixels of the original image.
        scores: Largest difference of a score; of a detection that the other list lacks, what its score is above the
            least that is kept.
        pairs: Number of detections that both have.
        missing: Number of detections that only one has.
    """
    boxes: float
    scores: float
    pairs: int
    missing: int


def difference(first: Detections, second: Detections) -> Difference:
    """Compare two lists of detections: each of the first with the one of the same class in the second whose box and
    score are nearest."""
    pairs = _pairs(first, second)
    rows, columns = (np.array(index, int) for index in (zip(*pairs) if pairs else ((), ())))
    boxes = np.abs(first.boxes[rows] - second.boxes[columns]).max(initial=0)
    scores = np.abs(first.scores[rows] - second.scores[columns]).max(initial=0)
    least = min([*first.scores, *second.scores], default=0.)
    alone = [*np.delete(first.scores, rows), *np.delete(second.scores, columns)]
    return Difference(float(boxes), float(max([scores, *(score - least for score in alone)])), len(pairs), len(alone))


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


def time_against_eager(eager: Predictor, exported: ExportedPredictor, image: Image,
                       text: str | None = None, file_text: str | None = None, repeats: int = 9) -> dict[str, float]:
    """Milliseconds for an image, from the normalised tensor to detections: of the detector in Python ('eager'), of the
    traced network that `Predictor` uses, where it does, and of the file."""

    @torch.inference_mode()
    def run_model() -> None:
        eager.model.predict(inputs, samples, rescale=True)

    inputs, samples = eager.collate([eager.prepare(image, text)])
    file_inputs, file_samples = exported.collate([exported.prepare(image, file_text)])
    works = {'eager': run_model}
    if eager.traced_network is not None:
        works['Predictor'] = lambda: eager.infer(inputs, samples)
    works['file'] = lambda: exported.infer(file_inputs, file_samples)
    return milliseconds(works, repeats)


def _pairs(first: Detections, second: Detections) -> list[tuple[int, int]]:
    free = np.ones(len(second), bool)
    pairs = []
    for row in range(len(first)):
        candidates = np.flatnonzero(free & (second.labels == first.labels[row]))
        if not len(candidates):
            continue
        boxes = np.abs(second.boxes[candidates] - first.boxes[row]).max(1)
        scores = np.abs(second.scores[candidates] - first.scores[row])
        best = np.argmin(boxes + 100 * scores)
        if boxes[best] + 100 * scores[best] < 20:  # else it is another detection
            pairs.append((row, int(candidates[best])))
            free[candidates[best]] = False
    return pairs
