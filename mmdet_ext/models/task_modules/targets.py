"""Ground truth and its assignment for a whole batch, as padded or flat tensors."""
from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmdet.structures.bbox import get_box_tensor
from mmengine.structures import InstanceData
from torch import Tensor


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
    """The K positive points of a batch.

    Attributes:
        images: (K,) index of the image.
        points: (K,) index of the point.
        targets: (K,) index of the box within its image.
        scores: (K,) target of the class score, in [0, 1].
    """
    images: Tensor
    points: Tensor
    targets: Tensor
    scores: Tensor


def pad_targets(batch_gt_instances: Sequence[InstanceData], dtype: torch.dtype = torch.float32) -> BatchTargets:
    """Pad the boxes and labels of a batch to its greatest count, at least 1.

    Args:
        batch_gt_instances: One per image, each with `bboxes` (G_i, 4) in pixels and `labels` (G_i,).
        dtype: Of the boxes.
    """
    counts = [len(instances.labels) for instances in batch_gt_instances]
    labels = batch_gt_instances[0].labels
    shape = (len(counts), max(1, *counts))
    boxes = torch.zeros(*shape, 4, dtype=dtype, device=labels.device)
    padded_labels = torch.zeros(shape, dtype=torch.long, device=labels.device)
    for i, (count, instances) in enumerate(zip(counts, batch_gt_instances)):
        boxes[i, :count] = get_box_tensor(instances.bboxes).to(dtype)
        padded_labels[i, :count] = instances.labels
    places = torch.arange(shape[1], device=labels.device)
    valid = places < torch.tensor(counts, device=labels.device).unsqueeze(1)
    return BatchTargets(boxes, padded_labels, valid)
