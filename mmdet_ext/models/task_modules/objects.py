"""The objects of a batch as flat tensors, one image after the other, made once per step."""
from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmdet.structures.bbox import bbox_xyxy_to_cxcywh, get_box_tensor
from mmengine.structures import InstanceData
from torch import Tensor

from .transfers import pack_to_device


class Objects(NamedTuple):
    """N objects of B images.

    Attributes:
        corners: (N, 4), x1, y1, x2, y2 in pixels.
        boxes: (N, 4), cx, cy, w, h relative to the image.
        labels: (N, ).
        image: (N, ), number of the object's image.
        sizes: (N, 4), width, height, width, height of the object's image in pixels.
        maps: (N, T), its tokens, or None where there is no text.
        counts: (B, ), objects of each image, on the device.
        numbers: The same on the host.
        instances: B times what the objects were made of.
        metas: B times meta information.
    """
    corners: Tensor
    boxes: Tensor
    labels: Tensor
    image: Tensor
    sizes: Tensor
    maps: Tensor | None
    counts: Tensor
    numbers: list[int]
    instances: Sequence[InstanceData]
    metas: Sequence[dict]

    def __len__(self) -> int:
        return sum(self.numbers)


def gather_objects(instances: Sequence[InstanceData], metas: Sequence[dict],
                   maps: Sequence[Tensor] | None = None) -> Objects:
    """The objects of a batch, with one copy to the device of what the host knows.

    Args:
        instances: For each image `bboxes` (N_i, 4) in pixels and `labels` (N_i, ), on the device.
        metas: With `img_shape`.
        maps: For each image (N_i, T), on the host.
    """
    numbers = [len(own.labels) for own in instances]
    counts = torch.tensor(numbers)
    image = torch.arange(len(numbers)).repeat_interleave(counts)
    sizes = torch.tensor([[meta['img_shape'][1], meta['img_shape'][0]] * 2 for meta in metas])[image]
    parts = [image, sizes, counts] if maps is None else [image, sizes, counts, torch.cat(list(maps))]
    corners = torch.cat([get_box_tensor(own.bboxes) for own in instances])
    image, sizes, counts, *packed = pack_to_device(parts, corners.device)
    boxes = bbox_xyxy_to_cxcywh(corners / sizes)
    return Objects(corners, boxes, torch.cat([own.labels for own in instances]), image.long(), sizes,
                   packed[0] if packed else None, counts, numbers, instances, metas)
