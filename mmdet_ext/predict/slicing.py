"""Prediction on slices of a large image, in which small objects are not scaled away."""
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..image_files import read_image
from .detections import Detections
from .predictor import Image

if TYPE_CHECKING:
    import supervision as sv


_AT_EDGE = 'at_edge'
_EDGE = 0.01  # of the side of a slice


class AnyPredictor(Protocol):
    """What `Predictor`, `SlicedPredictor` and the predictors of exported files share."""
    classes: Sequence[str] | None

    def __call__(self, images: Any, texts: Any = None, *, batch_size: int = 1,
                 progress: bool | None = None) -> Detections | list[Detections]: ...


class SlicedPredictor:
    """A predictor that looks at slices of an image and at the image itself, by supervision's `InferenceSlicer`.

    The detections of all of them go through a non-maximum suppression for each class. It measures an overlap as the
    intersection's share of the smaller box, and prefers boxes that touch no edge of their slice, whatever the scores:
    so the part of an object that a slice shows gives way to all of it. An object should fit into the overlap of two
    slices, or be large enough to be found in the image.

        predictor = SlicedPredictor(Predictor(config, checkpoint), size=640)
        detections = predictor('harbour.jpg')

    Masks are kept at the size of the image: K x H x W bytes.

    Args:
        predictor: A `Predictor` or any other with the same call.
        size: Side of a slice in pixels.
        overlap: Of neighbouring slices, as a share of the side, in [0, 1).
        threshold: Overlap above which the box with the lower score is dropped.
        score_thr: Only detections above this score take part, so that weak ones suppress none that is kept.

    Raises:
        ValueError: A number is out of range.
    """

    def __init__(self, predictor: AnyPredictor, size: int = 640, overlap: float = 0.2, *,
                 threshold: float = 0.5, score_thr: float = 0.) -> None:
        if size < 32:
            raise ValueError(f'the side of a slice should be at least 32 pixels, got {size}')
        if not 0 <= overlap < 1:
            raise ValueError(f'the overlap of slices should be a share from 0 to below 1, got {overlap}')
        self.predictor, self.size, self.overlap, self.threshold = predictor, size, overlap, threshold
        self.score_thr = score_thr
        self.classes = predictor.classes

    def __call__(self, images: Image | Sequence[Image], texts: str | Sequence[str] | None = None, *,
                 batch_size: int = 1, progress: bool | None = None) -> Detections | list[Detections]:
        """As `Predictor`'s; `batch_size` is the number of slices that go through the network together."""
        single = isinstance(images, Image)
        images = [images] if single else list(images)
        texts = [texts] * len(images) if texts is None or isinstance(texts, str) else list(texts)
        results = [self._predict(image, text, batch_size) for image, text in zip(images, texts, strict=True)]
        return results[0] if single else results

    def _predict(self, image: Image, text: str | None, batch_size: int) -> Detections:
        import supervision as sv  # only now: it takes a while

        pixels = image if isinstance(image, np.ndarray) else read_image(image)
        complete = self.predictor(pixels, text).above(self.score_thr)
        path = None if isinstance(image, np.ndarray) else str(image)
        if max(pixels.shape[:2]) <= self.size:
            return replace(complete, path=path)
        slicer = sv.InferenceSlicer(self._callback(text, batch_size), slice_wh=self.size,
                                    overlap_wh=round(self.overlap * self.size), overlap_filter=sv.OverlapFilter.NONE,
                                    batch_size=max(batch_size, 2))  # with 1 it calls for a slice, not for a list
        parts = [part for part in (_marked(complete), slicer(pixels)) if len(part)]
        if not parts:
            return replace(complete, path=path, sample=None)
        if text is not None:  # the phrases of a caption are numbered anew in each slice
            names = {name: number for number, name in enumerate(dict.fromkeys(
                name for part in parts for name in part.data['class_name'].tolist()))}
            for part in parts:
                part.class_id = np.array([names[name] for name in part.data['class_name'].tolist()])
        merged = sv.Detections.merge(parts)
        merged.confidence = merged.confidence + ~merged.data[_AT_EDGE]  # above 1: before all that touch an edge
        merged = (_without_overlaps(merged, self.threshold) if merged.mask is None else
                  merged.with_nms(self.threshold, overlap_metric=sv.OverlapMetric.IOS))
        merged.confidence = merged.confidence - ~merged.data[_AT_EDGE]
        merged = merged[np.argsort(-merged.confidence, kind='stable')]
        return Detections(merged.xyxy.astype(np.float32), merged.confidence.astype(np.float32),
                          merged.class_id.astype(np.int64), merged.data['class_name'].tolist(), path, pixels.shape[:2],
                          masks=merged.mask)

    def _callback(self, text: str | None, batch_size: int) -> Callable[[list[np.ndarray]], list]:
        def detect(slices: list[np.ndarray]) -> list:
            return [_marked(detections.above(self.score_thr)) for detections in
                    self.predictor([np.ascontiguousarray(part) for part in slices], text, batch_size=batch_size,
                                   progress=False)]
        return detect


def _without_overlaps(detections: 'sv.Detections', threshold: float) -> 'sv.Detections':
    """What supervision's `with_nms` keeps by the share of the smaller box.

    The memory grows with the number of boxes and not with its square: many slices have 100,000 boxes.
    """
    kept = []
    for label in np.unique(detections.class_id):
        rows = np.flatnonzero(detections.class_id == label)
        rows = rows[np.argsort(-detections.confidence[rows], kind='stable')]
        boxes = detections.xyxy[rows].astype(float)
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        while len(rows):
            kept.append(rows[0])
            sides = np.minimum(boxes[0, 2:], boxes[:, 2:]) - np.maximum(boxes[0, :2], boxes[:, :2])
            shared = sides.clip(0).prod(axis=1)
            apart = shared <= threshold * np.minimum(areas[0], areas)
            apart[0] = False
            rows, boxes, areas = rows[apart], boxes[apart], areas[apart]
    return detections[np.array(kept, dtype=int)]


def _marked(detections: Detections) -> 'sv.Detections':
    """With a mark at the boxes that touch an edge of their image, behind which the object may go on."""
    height, width = detections.shape
    marked, margin = detections.to_supervision(), max(2., _EDGE * max(height, width))
    near = (detections.boxes[:, :2] < margin) | (detections.boxes[:, 2:] > np.array([width, height]) - margin)
    marked.data[_AT_EDGE] = near.any(axis=1)
    return marked
