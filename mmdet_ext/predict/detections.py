"""The detections that a `Predictor` returns for an image."""
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from mmdet.structures import DetDataSample


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
        sample: mmdet's `DetDataSample` with everything that the model predicts, on the model's device.
    """
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    names: list[str]
    path: str | None
    shape: tuple[int, int]
    sample: DetDataSample

    def __len__(self) -> int:
        return len(self.scores)

    def above(self, score: float) -> 'Detections':
        """The detections with a score above `score`."""
        rows = np.flatnonzero(self.scores > score)
        sample = self.sample.new()
        sample.pred_instances = self.sample.pred_instances[torch.from_numpy(rows)]
        return replace(self, boxes=self.boxes[rows], scores=self.scores[rows], labels=self.labels[rows],
                       names=[self.names[row] for row in rows], sample=sample)

    def to_dict(self) -> dict:
        """Plain numbers and strings for json; `bboxes`, `scores` and `labels` are those of mmdet's inferencer."""
        return dict(path=self.path, shape=list(self.shape), bboxes=self.boxes.tolist(), scores=self.scores.tolist(),
                    labels=self.labels.tolist(), names=self.names)


def detections_of(samples: Sequence[DetDataSample], classes: Sequence[str] | None) -> list[Detections]:
    """The `Detections` of each image of a batch, with one copy to the host."""
    predictions = [sample.pred_instances for sample in samples]
    table = torch.cat([torch.cat([instances.bboxes.float(), instances.scores.float()[:, None],
                                  instances.labels.float()[:, None]], 1) for instances in predictions]).cpu().numpy()
    results, start = [], 0
    for sample, instances in zip(samples, predictions, strict=True):
        rows = table[start:start + len(instances)]
        start += len(instances)
        labels = rows[:, 5].astype(np.int64)
        names = (list(instances.label_names) if 'label_names' in instances
                 else [_name(label, classes) for label in labels])
        meta = sample.metainfo
        results.append(Detections(rows[:, :4].copy(), rows[:, 4].copy(), labels, names, meta.get('img_path'),
                                  tuple(meta['ori_shape'][:2]), sample))
    return results


def _name(label: int, classes: Sequence[str] | None) -> str:
    return classes[label] if classes is not None and label < len(classes) else str(label)
