"""The ground-truth objects of a batch as flat tensors, one image after the other, made once per step."""
from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmdet.structures.bbox import bbox_xyxy_to_cxcywh, get_box_tensor
from mmengine.structures import InstanceData
from torch import Tensor

from ...transfers import pack_to_device


class Objects(NamedTuple):
    """N objects of B images.

    Attributes:
        corners: (N, 4), x1, y1, x2, y2 in pixels.
        boxes: (N, 4), cx, cy, w, h relative to the image.
        labels: (N, ).
        image: (N, ), index of the object's image.
        sizes: (N, 4), width, height, width, height of the object's image in pixels.
        maps: (N, T), MDETR's positive map: the object's tokens in the caption. None where there is no text.
        counts: (B, ), number of objects of each image, on the device.
        numbers: The same on the host.
        instances: For each image the ground truth that the objects were made of.
        metas: Meta information of each image.
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
    """The objects of a batch; everything that is known on the host goes to the device in one copy.

    Args:
        instances: For each image `bboxes` (N_i, 4) in pixels and `labels` (N_i, ), on the device.
        metas: Meta information of each image, with `img_shape`.
        maps: For each image its positive map (N_i, T), on the host or the device.
    """
    numbers = [len(own.labels) for own in instances]
    counts = torch.tensor(numbers)
    image = torch.arange(len(numbers)).repeat_interleave(counts)
    sizes = torch.tensor([[meta['img_shape'][1], meta['img_shape'][0]] * 2 for meta in metas])[image]
    corners = torch.cat([get_box_tensor(own.bboxes) for own in instances])
    joined = None if maps is None else torch.cat(list(maps))
    known = [image, sizes, counts] if joined is None or joined.device != image.device else [image, sizes, counts, joined]
    image, sizes, counts, *packed = pack_to_device(known, corners.device)
    boxes = bbox_xyxy_to_cxcywh(corners / sizes)
    return Objects(corners, boxes, torch.cat([own.labels for own in instances]), image.long(), sizes,
                   packed[0] if packed else joined, counts, numbers, instances, metas)
