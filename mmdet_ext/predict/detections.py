"""The detections that a `Predictor` returns for an image, and what they convert to."""
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from mmdet.structures import DetDataSample

from ..drawing import draw_objects
from ..files import replace_file
from ..image_files import WRITTEN, read_image, write_image

if TYPE_CHECKING:
    import pandas as pd
    import supervision as sv


@dataclass(frozen=True)
class Detections:
    """Detections in one image, in the order in which the model returns them (YOLOv9: by descending score).

    Attributes:
        boxes: (K, 4) float32 as (x1, y1, x2, y2) in pixels of the original image.
        scores: (K,) float32 in [0, 1].
        labels: (K,) int64, class indices; for MDETR indices of the phrases of the caption.
        names: K class names or phrases; the label as text where neither is known.
        path: Path of the image, or None if it was given as an array.
        shape: (height, width) of the original image in pixels.
        sample: mmdet's `DetDataSample` with everything that the model predicts, on the model's device; None if the
            detections come from an exported file, from slices of the image, or from a tracker.
        masks: (K, height, width) bool, or None if the model predicts none.
        ids: (K,) int64, numbers of tracks from 1, or None if nothing was tracked.
    """
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    names: list[str]
    path: str | None
    shape: tuple[int, int]
    sample: DetDataSample | None = None
    masks: np.ndarray | None = None
    ids: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.scores)

    def above(self, score: float) -> 'Detections':
        """The detections with a score above `score`."""
        return self.select(np.flatnonzero(self.scores > score))

    def select(self, rows: np.ndarray) -> 'Detections':
        """The detections of these indices, in their order."""
        rows = np.asarray(rows, dtype=np.int64)
        sample = self.sample
        if sample is not None:
            sample = sample.new()
            sample.pred_instances = self.sample.pred_instances[torch.from_numpy(rows)]
        return replace(self, boxes=self.boxes[rows], scores=self.scores[rows], labels=self.labels[rows],
                       names=[self.names[row] for row in rows], sample=sample,
                       masks=None if self.masks is None else self.masks[rows],
                       ids=None if self.ids is None else self.ids[rows])

    def to_dict(self) -> dict:
        """Plain numbers and strings for json; `bboxes`, `scores` and `labels` are those of mmdet's inferencer."""
        return dict(path=self.path, shape=list(self.shape), bboxes=self.boxes.tolist(), scores=self.scores.tolist(),
                    labels=self.labels.tolist(), names=self.names,
                    **({} if self.ids is None else dict(ids=self.ids.tolist())))

    def to_supervision(self) -> 'sv.Detections':
        """As `supervision.Detections`: boxes, scores, class indices, `data['class_name']`, masks, ids of tracks."""
        import supervision as sv

        return sv.Detections(xyxy=self.boxes.astype(np.float32).reshape(-1, 4), confidence=self.scores,
                             class_id=self.labels.astype(int), mask=self.masks, tracker_id=self.ids,
                             data={'class_name': np.array(self.names, dtype=object if not self.names else str)})

    def to_pandas(self) -> 'pd.DataFrame':
        """A row for each detection: image, id (if tracked), name, label, score, x1, y1, x2, y2."""
        import pandas as pd

        tracks = {} if self.ids is None else dict(id=self.ids)
        sides = dict(zip(('x1', 'y1', 'x2', 'y2'), self.boxes.reshape(-1, 4).T))
        return pd.DataFrame(dict(image=[self.path] * len(self), **tracks, name=self.names, label=self.labels,
                                 score=self.scores, **sides))

    def to_yolo(self, with_scores: bool = False) -> str:
        """Lines `label x y width height [score]`: centre and size of the box, cut at the border of the image, as
        fractions of the image's size."""
        height, width = self.shape
        corners = np.clip(self.boxes.reshape(-1, 2, 2) / [width, height], 0, 1)
        columns = [corners.mean(axis=1), corners[:, 1] - corners[:, 0]]
        values = np.concatenate([*columns, self.scores[:, None]] if with_scores else columns, axis=1)
        return ''.join(f'{label} {" ".join(f"{value:.6f}" for value in row)}\n'
                       for label, row in zip(self.labels.tolist(), values.tolist(), strict=True))

    def draw(self, image: np.ndarray | None = None) -> np.ndarray:
        """Draw boxes, masks and labels.

        Args:
            image: (H, W, 3) uint8, BGR; by default the file at `path` is read.

        Returns:
            A new image, BGR; a small one is enlarged (see `mmdet_ext.drawing`).

        Raises:
            ValueError: There is no image to draw on, or it has another size.
        """
        if image is None:
            if self.path is None:
                raise ValueError('the image was given as an array, which is not kept: draw(image)')
            image = read_image(self.path)
        if image.shape[:2] != tuple(self.shape):
            raise ValueError(f'the detections are of an image of {self.shape} pixels, got {image.shape[:2]}')
        return draw_objects(image, self.boxes, self.labels, self.names, self.scores, masks=self.masks, ids=self.ids)

    def save(self, path: str | Path, image: np.ndarray | None = None) -> Path:
        """Write a file, by its suffix: an image with the detections drawn (.jpg, .png, ...), .csv, .json (`to_dict`) or
        .txt (YOLO's form).

        Args:
            path: The file; its folder is made.
            image: As for `draw`.

        Raises:
            ValueError: The suffix is none of these.
            OSError: The file cannot be written.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix not in (*WRITTEN, '.csv', '.json', '.txt'):
            raise ValueError(f'{path}: the suffix should be one of {", ".join(WRITTEN)}, .csv, .json or .txt')
        path.parent.mkdir(parents=True, exist_ok=True)
        if suffix in WRITTEN:
            write_image(path, self.draw(image))
            return path
        content = self.to_pandas().to_csv(index=False) if suffix == '.csv' else \
            json.dumps(self.to_dict(), ensure_ascii=False) if suffix == '.json' else self.to_yolo()
        with replace_file(path) as file:
            file.write(content.encode())
        return path


def detections_of(samples: Sequence[DetDataSample], classes: Sequence[str] | None) -> list[Detections]:
    """The `Detections` of each image of a batch, with one copy of boxes to the host."""
    predictions = [sample.pred_instances for sample in samples]
    table = torch.cat([torch.cat([instances.bboxes.float(), instances.scores.float()[:, None],
                                  instances.labels.float()[:, None]], 1) for instances in predictions]).cpu().numpy()
    results, start = [], 0
    for sample, instances in zip(samples, predictions, strict=True):
        rows = table[start:start + len(instances)]
        start += len(instances)
        labels = rows[:, 5].astype(np.int64)
        names = (list(instances.label_names) if 'label_names' in instances
                 else [class_name(label, classes) for label in labels])
        masks = instances.masks.bool().cpu().numpy() if 'masks' in instances else None
        meta = sample.metainfo
        results.append(Detections(rows[:, :4].copy(), rows[:, 4].copy(), labels, names, meta.get('img_path'),
                                  tuple(meta['ori_shape'][:2]), sample, masks))
    return results


def class_name(label: int, classes: Sequence[str] | None) -> str:
    """The name of a class index, or the index as text where it has none."""
    return classes[label] if classes is not None and label < len(classes) else str(label)
