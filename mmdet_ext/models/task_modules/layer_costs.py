"""Matching costs of all layers of a decoder and all images at once, with the values of mmdet's cost classes."""
from collections.abc import Callable, Sequence

import torch
from mmdet.models.task_modules.assigners import BBoxL1Cost, ClassificationCost, FocalLossCost, IoUCost
from mmdet.models.task_modules.assigners.match_cost import BaseMatchCost
from mmdet.registry import TASK_UTILS
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from mmengine.structures import InstanceData
from torch import Tensor

from ..layers.overlaps import broadcast_overlaps
from .objects import Objects


@TASK_UTILS.register_module()
class SoftTokenCost(BaseMatchCost):
    """Matching cost for `HungarianAssigner`: minus the probability of an object's tokens
    (https://arxiv.org/abs/2104.12763).

    Needs `scores` (Q, T) of the predictions, logits, and `positive_maps` (N, T) of the objects.

    Args:
        weight: Factor of the cost.
    """

    def __call__(self, pred_instances: InstanceData, gt_instances: InstanceData, img_meta: dict | None = None,
                 **kwargs) -> Tensor:
        """-> (Q, N)."""
        probabilities = pred_instances.scores.float().softmax(dim=-1)
        return -self.weight * probabilities @ gt_instances.positive_maps.to(probabilities).T


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
    image_boxes = boxes.transpose(0, 1).index_select(0, objects.image)  # (N, layers, Q, 4)
    terms = []
    for cost in costs:
        batched = _BATCHED.get(type(cost))
        if batched is None or getattr(cost, 'binary_input', False):
            terms.append(_image_by_image(cost, scores, boxes, objects))
        else:
            terms.append(batched(cost, scores, image_boxes, objects) * cost.weight)
    return terms[0] if len(terms) == 1 else torch.stack(terms).sum(dim=0)


def _focal(cost: FocalLossCost, scores: Tensor, boxes: Tensor, objects: Objects) -> Tensor:
    probability = _of_labels(scores, objects).sigmoid()
    missed = -(1 - probability + cost.eps).log() * (1 - cost.alpha) * probability.pow(cost.gamma)
    return -(probability + cost.eps).log() * cost.alpha * (1 - probability).pow(cost.gamma) - missed


def _classification(cost: ClassificationCost, scores: Tensor, boxes: Tensor, objects: Objects) -> Tensor:
    return -_of_labels(scores.softmax(dim=-1), objects)


def _soft_tokens(cost: SoftTokenCost, scores: Tensor, boxes: Tensor, objects: Objects) -> Tensor:
    probabilities = scores.float().softmax(dim=-1)
    all_pairs = probabilities @ objects.positive_maps.to(probabilities).T  # (layers, B, Q, N)
    return -all_pairs.permute(1, 3, 0, 2)[objects.image, torch.arange(len(objects), device=scores.device)]


def _l1(cost: BBoxL1Cost, scores: Tensor, boxes: Tensor, objects: Objects) -> Tensor:
    truth = objects.boxes_cxcywh[:, None, None]
    if cost.box_format == 'xyxy':
        boxes, truth = bbox_cxcywh_to_xyxy(boxes), bbox_cxcywh_to_xyxy(truth)
    return (boxes - truth).abs().sum(dim=-1)


def _iou(cost: IoUCost, scores: Tensor, boxes: Tensor, objects: Objects) -> Tensor:
    boxes_xyxy = bbox_cxcywh_to_xyxy(boxes) * objects.sizes[:, None, None]
    return -broadcast_overlaps(boxes_xyxy, objects.boxes_xyxy[:, None, None], cost.iou_mode)


def _of_labels(scores: Tensor, objects: Objects) -> Tensor:
    """(N, layers, Q), the score of each object's label at the queries of its image."""
    return scores.permute(1, 3, 0, 2)[objects.image, objects.labels]


def _image_by_image(cost: BaseMatchCost, scores: Tensor, boxes: Tensor, objects: Objects) -> Tensor:
    """Call any cost class once per image, with the queries of all layers as if they were those of one layer."""
    boxes_xyxy, terms, start = bbox_cxcywh_to_xyxy(boxes), [], 0
    for image, (count, meta) in enumerate(zip(objects.host_counts, objects.metas)):
        if count:
            sizes = objects.sizes[start]
            truth = InstanceData(**dict(objects.instances[image].items()))
            if objects.positive_maps is not None:
                truth.positive_maps = objects.positive_maps[start:start + count]
            predicted = InstanceData(scores=scores[:, image].flatten(0, 1),
                                     bboxes=(boxes_xyxy[:, image] * sizes).flatten(0, 1))
            term = cost(pred_instances=predicted, gt_instances=truth, img_meta=meta)  # (layers * Q, N_i)
            terms.append(term.view(scores.shape[0], scores.shape[2], count).permute(2, 0, 1))
        start += count
    return torch.cat(terms)


_BATCHED: dict[type, Callable[..., Tensor]] = {
    FocalLossCost: _focal,
    ClassificationCost: _classification,
    SoftTokenCost: _soft_tokens,
    BBoxL1Cost: _l1,
    IoUCost: _iou,
}
