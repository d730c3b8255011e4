"""Ground truth and predictions of the images that a detector was evaluated on."""
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ImageResult:
    """Ground truth and predictions of an image, boxes as (x1, y1, x2, y2) in pixels of the original image.

    Attributes:
        path: The image file.
        shape: (height, width) in pixels.
        true_boxes: (N, 4) float32.
        true_labels: (N,) int64, indices of classes.
        ignored: (N,) bool: crowds, which count neither as found nor as missed.
        boxes: (K, 4) float32, by descending score.
        scores: (K,) float32 in [0, 1].
        labels: (K,) int64.
    """
    path: str
    shape: tuple[int, int]
    true_boxes: np.ndarray
    true_labels: np.ndarray
    ignored: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class DetectionResults:
    """The results of a data set.

    Attributes:
        classes: Names of the classes.
        images: In the order of the data set.
    """
    classes: Sequence[str]
    images: Sequence[ImageResult]
