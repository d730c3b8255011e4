"""Ground truth and its assignment for a whole batch, as padded or flat tensors."""
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import torch
from mmdet.structures.bbox import get_box_tensor
from mmengine.structures import InstanceData
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


class BatchTargets(NamedTuple):
    """Ground truth of a batch of B images, padded to G boxes.

    Attributes:
        boxes: (B, G, 4) as (x1, y1, x2, y2) in pixels.
        labels: (B, G) class indices.
        valid: (B, G), False where padded.
    """
    boxes: Tensor
    labels: Tensor
    valid: Tensor


class Assignment(NamedTuple):
    """Points of a batch, each assigned to a box; entries with score 0 are empty and add nothing to any loss.

    Attributes:
        images: (K,) index of the image.
        points: (K,) index of the point.
        targets: (K,) index of the box within its image.
        scores: (K,) classification target, in [0, 1].
    """
    images: Tensor
    points: Tensor
    targets: Tensor
    scores: Tensor

    @property
    def slots(self) -> 'Assignment':
        return self


class PaddedAssignment:
    """An assignment of a fixed size: the number of `slots` depends only on shapes, and some of them are empty.

    Any other attribute, as in ``assignment.points``, holds the positive points only; the host waits for their number.
    """

    def __init__(self, slots: Assignment) -> None:
        self.slots = slots

    @cached_property
    def positives(self) -> Assignment:
        used = self.slots.scores > 0
        return Assignment(*(part[used] for part in self.slots))

    def __getattr__(self, name: str) -> Any:
        if name == 'slots':  # of an object that is still being copied
            raise AttributeError(name)
        return getattr(self.positives, name)

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.positives)


def pad_targets(batch_gt_instances: Sequence[InstanceData], dtype: torch.dtype = torch.float32) -> BatchTargets:
    """Pad the boxes and labels of a batch to the largest number per image, at least 1.

    Args:
        batch_gt_instances: One per image, each with `bboxes` (G_i, 4) in pixels and `labels` (G_i,).
        dtype: Dtype of the padded boxes.
    """
    labels = pad_sequence([instances.labels for instances in batch_gt_instances], batch_first=True, padding_value=-1)
    boxes = pad_sequence([get_box_tensor(instances.bboxes) for instances in batch_gt_instances], batch_first=True)
    if not labels.shape[1]:
        labels, boxes = labels.new_full((len(labels), 1), -1), boxes.new_zeros(len(labels), 1, 4)
    return BatchTargets(boxes.to(dtype), labels.clamp(min=0), labels >= 0)
