"""What a model sees in an image, and which part of it the page shows."""
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..predict import Detections

MOST_SHOWN = 300  # boxes


@dataclass(frozen=True)
class Result:
    """The detections of a model in an image, by descending score.

    Attributes:
        model: What the page calls the model.
        image: The file.
        shape: (height, width) of the image in pixels.
        boxes: (K, 4) float32 as (x1, y1, x2, y2) in pixels of the image.
        scores: (K,) float32 in [0, 1].
        labels: (K,) int64: classes, phrases of the caption, or names that were looked for.
        names: K texts.
        spans: For K boxes the characters [begin, end) of `text` that name them; None where there is no caption.
        masks: (K, height, width) bool; None if the model predicts none.
        text: The caption or question; None where there is none.
        answer: The answer, if the model answers questions.
        seconds: From reading the image to the boxes.
    """
    model: str
    image: Path
    shape: tuple[int, int]
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    names: list[str]
    spans: list[list[list[int]]] | None = None
    masks: np.ndarray | None = None
    text: str | None = None
    answer: str | None = None
    seconds: float = 0.

    def shown(self, threshold: float, names: Collection[str] = ()) -> list[int]:
        """Rows of the boxes with a score above a threshold and one of the names, all names if none are given; the
        first `MOST_SHOWN` of them."""
        rows = np.flatnonzero(self.scores > threshold).tolist()
        return [row for row in rows if not names or self.names[row] in names][:MOST_SHOWN]


def result_of(model: str, image: Path, parts: Sequence[Detections], names: Sequence[str] | None, text: str | None,
              seconds: float) -> Result:
    """The `Result` of one prediction, or of one prediction for each name that was looked for."""
    if names:
        counts = [len(part) for part in parts]
        labels = np.repeat(np.arange(len(names)), counts)
        texts = [names[label] for label in labels]
    else:
        labels, texts = parts[0].labels, list(parts[0].names)
    scores = np.concatenate([part.scores for part in parts])
    order = np.argsort(-scores, kind='stable')
    instances = [part.sample.pred_instances for part in parts]
    spans = masks = answer = None
    if text and 'spans' in instances[0]:
        spans = [instances[0].spans[row] for row in order]
    if all('masks' in part for part in instances):
        arrays = [part.masks.cpu().numpy() if hasattr(part.masks, 'cpu') else part.masks.to_ndarray()
                  for part in instances]
        masks = np.concatenate(arrays).astype(bool)[order]
    if text:
        answer = (parts[0].sample.metainfo.get('pred_answer') or {}).get('answer')
    return Result(model, image, parts[0].shape, np.concatenate([part.boxes for part in parts])[order], scores[order],
                  labels[order], [texts[row] for row in order], spans, masks, text, answer, seconds)


def split_names(text: str | None) -> list[str]:
    """'red star, circle' or a name on each line -> the different names, in order."""
    names = (name.strip() for name in (text or '').replace('\n', ',').split(','))
    return list(dict.fromkeys(name for name in names if name))
