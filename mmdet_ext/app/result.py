"""What a model sees in an image, and which part of it the page shows."""
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..predict import Detections

MOST_SHOWN = 300  # boxes


@dataclass(frozen=True)
class Result:
    """What a model sees in an image.

    Attributes:
        model: What the page calls the model.
        image: The file.
        detections: All detections, by descending score.
        spans: For each of them the characters [begin, end) of `text` that name it; None where there is no caption.
        text: The caption or question; None where there is none.
        answer: The answer, if the model answers questions.
        seconds: From reading the image to the boxes.
    """
    model: str
    image: Path
    detections: Detections
    spans: list[list[list[int]]] | None = None
    text: str | None = None
    answer: str | None = None
    seconds: float = 0.

    def shown(self, threshold: float, names: Collection[str] = ()) -> list[int]:
        """Rows of the boxes with a score above a threshold and one of the names, all names if none are given; the
        first `MOST_SHOWN` of them."""
        rows = np.flatnonzero(self.detections.scores > threshold).tolist()
        return [row for row in rows if not names or self.detections.names[row] in names][:MOST_SHOWN]

    def title(self, row: int) -> str:
        """Name and score of a box."""
        return f'{self.detections.names[row]} {self.detections.scores[row]:.2f}'


def result_of(model: str, image: Path, parts: Sequence[Detections], names: Sequence[str] | None, text: str | None,
              seconds: float) -> Result:
    """The `Result` of one prediction or, with `names`, of one prediction for each of these."""
    detections = joined(parts, names) if names else parts[0]
    detections = detections.select(np.argsort(-detections.scores, kind='stable'))
    if detections.sample is None or not text:
        return Result(model, image, detections, text=text, seconds=seconds)
    answer = (detections.sample.metainfo.get('pred_answer') or {}).get('answer')
    return Result(model, image, detections, detections.sample.pred_instances.get('spans'), text, answer, seconds)


def joined(parts: Sequence[Detections], names: Sequence[str]) -> Detections:
    """The detections of an image for each of several names as one; their labels are the numbers of the names."""
    labels = np.repeat(np.arange(len(names)), [len(part) for part in parts])
    masks = None if parts[0].masks is None else np.concatenate([part.masks for part in parts])
    return Detections(np.concatenate([part.boxes for part in parts]), np.concatenate([part.scores for part in parts]),
                      labels, [names[label] for label in labels], parts[0].path, parts[0].shape, masks=masks)


def split_names(text: str | None) -> list[str]:
    """'red star, circle' or a name on each line -> the different names, in order."""
    names = (name.strip() for name in (text or '').replace('\n', ',').split(','))
    return list(dict.fromkeys(name for name in names if name))
