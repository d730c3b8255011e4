"""The ground-truth objects of a batch as flat tensors, one image after the other; they are made once per training
step."""
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
        boxes_xyxy: (N, 4), x1, y1, x2, y2 in pixels.
        boxes_cxcywh: (N, 4), cx, cy, w, h relative to the image.
        labels: (N, ).
        image: (N, ), index of the object's image.
        sizes: (N, 4), width, height, width, height of the object's image in pixels.
        positive_maps: (N, T), MDETR's positive map: the object's tokens in the caption. None where there is no text.
        counts: (B, ), number of objects of each image, on the device.
        host_counts: The same numbers on the host.
        instances: The ground truth of each image.
        metas: Meta information of each image.
    """
    boxes_xyxy: Tensor
    boxes_cxcywh: Tensor
    labels: Tensor
    image: Tensor
    sizes: Tensor
    positive_maps: Tensor | None
    counts: Tensor
    host_counts: list[int]
    instances: Sequence[InstanceData]
    metas: Sequence[dict]

    def __len__(self) -> int:
        return sum(self.host_counts)


def gather_objects(instances: Sequence[InstanceData], metas: Sequence[dict],
                   positive_maps: Sequence[Tensor] | None = None) -> Objects:
    """The objects of a batch; all values that are on the host go to the device in one copy.

    Args:
        instances: For each image `bboxes` (N_i, 4) in pixels and `labels` (N_i, ), on the device.
        metas: Meta information of each image, with `img_shape`.
        positive_maps: For each image its positive map (N_i, T), on the host or the device.
    """
    host_counts = [len(truth.labels) for truth in instances]
    counts = torch.tensor(host_counts)
    image = torch.arange(len(host_counts)).repeat_interleave(counts)
    sizes = torch.tensor([[meta['img_shape'][1], meta['img_shape'][0]] * 2 for meta in metas])[image]
    boxes_xyxy = torch.cat([get_box_tensor(truth.bboxes) for truth in instances])
    joined = None if positive_maps is None else torch.cat(list(positive_maps))
    on_host = [image, sizes, counts] + ([joined] if joined is not None and joined.device == image.device else [])
    image, sizes, counts, *packed = pack_to_device(on_host, boxes_xyxy.device)
    boxes_cxcywh = bbox_xyxy_to_cxcywh(boxes_xyxy / sizes)
    return Objects(boxes_xyxy, boxes_cxcywh, torch.cat([truth.labels for truth in instances]), image.long(), sizes,
                   packed[0] if packed else joined, counts, host_counts, instances, metas)
