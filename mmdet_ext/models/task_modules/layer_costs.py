"""Matching costs of all layers of a decoder and all images at once, with the values of mmdet's cost classes."""
from collections.abc import Callable, Sequence

import torch
from mmdet.models.task_modules.assigners import BBoxL1Cost, ClassificationCost, FocalLossCost, IoUCost
from mmdet.models.task_modules.assigners.match_cost import BaseMatchCost
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from mmengine.structures import InstanceData
from torch import Tensor

from ..layers.overlaps import pair_overlaps
from .objects import Objects
from .soft_token_cost import SoftTokenCost


def layer_costs(costs: Sequence[BaseMatchCost], scores: Tensor, boxes: Tensor, objects: Objects) -> Tensor:
    """The sum of all costs between each object and the queries of its own image.

    Args:
        costs: Those in `_BATCHED` are computed for the whole batch at once, others by their own call for each image.
        scores: (layers, B, Q, K) logits.
        boxes: (layers, B, Q, 4), cx, cy, w, h relative to the image.
        objects: N objects of B images, N at least 1.

    Returns:
        (N, layers, Q).
    """
    own_boxes = boxes.transpose(0, 1).index_select(0, objects.image)  # (N, layers, Q, 4)
    found = []
    for cost in costs:
        batched = _BATCHED.get(type(cost))
        if batched is None or getattr(cost, 'binary_input', False):
            found.append(_image_by_image(cost, scores, boxes, objects))
        else:
            found.append(batched(cost, scores, own_boxes, objects) * cost.weight)
    return found[0] if len(found) == 1 else torch.stack(found).sum(dim=0)


def _focal(cost: FocalLossCost, scores: Tensor, boxes: Tensor, objects: Objects) -> Tensor:
    probability = _of_labels(scores, objects).sigmoid()
    missed = -(1 - probability + cost.eps).log() * (1 - cost.alpha) * probability.pow(cost.gamma)
    return -(probability + cost.eps).log() * cost.alpha * (1 - probability).pow(cost.gamma) - missed


def _classification(cost: ClassificationCost, scores: Tensor, boxes: Tensor, objects: Objects) -> Tensor:
    return -_of_labels(scores.softmax(dim=-1), objects)


def _soft_tokens(cost: SoftTokenCost, scores: Tensor, boxes: Tensor, objects: Objects) -> Tensor:
    probabilities = scores.float().softmax(dim=-1)
    every = probabilities @ objects.maps.to(probabilities).T  # (layers, B, Q, N)
    return -every.permute(1, 3, 0, 2)[objects.image, torch.arange(len(objects), device=every.device)]


def _l1(cost: BBoxL1Cost, scores: Tensor, boxes: Tensor, objects: Objects) -> Tensor:
    truth = objects.boxes[:, None, None]
    if cost.box_format == 'xyxy':
        boxes, truth = bbox_cxcywh_to_xyxy(boxes), bbox_cxcywh_to_xyxy(truth)
    return (boxes - truth).abs().sum(dim=-1)


def _iou(cost: IoUCost, scores: Tensor, boxes: Tensor, objects: Objects) -> Tensor:
    corners = bbox_cxcywh_to_xyxy(boxes) * objects.sizes[:, None, None]
    return -pair_overlaps(corners, objects.corners[:, None, None], cost.iou_mode)


def _of_labels(scores: Tensor, objects: Objects) -> Tensor:
    """(N, layers, Q), the score of each object's label at the queries of its image."""
    return scores.permute(1, 3, 0, 2)[objects.image, objects.labels]


def _image_by_image(cost: BaseMatchCost, scores: Tensor, boxes: Tensor, objects: Objects) -> Tensor:
    """Any cost class, called for each image with the queries of all layers as if they were those of one layer."""
    corners, found, start = bbox_cxcywh_to_xyxy(boxes), [], 0
    for image, (number, meta) in enumerate(zip(objects.numbers, objects.metas)):
        if number:
            sizes = objects.sizes[start]
            truth = InstanceData(**dict(objects.instances[image].items()))
            if objects.maps is not None:
                truth.positive_maps = objects.maps[start:start + number]
            predicted = InstanceData(scores=scores[:, image].flatten(0, 1),
                                     bboxes=(corners[:, image] * sizes).flatten(0, 1))
            own = cost(pred_instances=predicted, gt_instances=truth, img_meta=meta)  # (layers * Q, N_i)
            found.append(own.view(scores.shape[0], scores.shape[2], number).permute(2, 0, 1))
        start += number
    return torch.cat(found)


_BATCHED: dict[type, Callable[..., Tensor]] = {
    FocalLossCost: _focal,
    ClassificationCost: _classification,
    SoftTokenCost: _soft_tokens,
    BBoxL1Cost: _l1,
    IoUCost: _iou,
}
