"""Hungarian matching of all layers of a decoder at once."""
from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmdet.models.task_modules.assigners import HungarianAssigner
from mmengine.structures import InstanceData
from scipy.optimize import linear_sum_assignment
from torch import Tensor


class Matched(NamedTuple):
    """For one decoder layer which query stands for which object, over the batch, sorted by picture and query.

    image, query, object: (M, ) indices; an object's index counts within its picture.
    """
    image: Tensor
    query: Tensor
    object: Tensor


@torch.no_grad()
def match_layers(assigner: HungarianAssigner, scores: Tensor, boxes: Tensor, objects: Sequence[InstanceData],
                 metas: Sequence[dict]) -> list[Matched]:
    """What `assigner` says of each layer and picture, with one pass of its costs and one transfer for all layers.

    Args:
        assigner: Its `match_costs` are used.
        scores: (layers, B, Q, K).
        boxes: (layers, B, Q, 4), x1, y1, x2, y2 in pixels.
        objects: For each picture `bboxes`, `labels` and what the costs need.
        metas: Meta information of each picture.

    Returns:
        A matching for each layer.
    """
    num_layers, _, num_queries = scores.shape[:3]
    costs = []
    for image, (own, meta) in enumerate(zip(objects, metas, strict=True)):
        predicted = InstanceData(scores=scores[:, image].flatten(0, 1), bboxes=boxes[:, image].flatten(0, 1))
        each = [cost(pred_instances=predicted, gt_instances=own, img_meta=meta) for cost in assigner.match_costs
                ] if len(own) else [boxes.new_zeros(num_layers * num_queries, 0)]
        costs.append(torch.stack(each).sum(dim=0))
    numbers = torch.cat([cost.flatten() for cost in costs]).cpu().split([cost.numel() for cost in costs])
    costs = [own.view(num_layers, num_queries, -1) if len(own) else None for own in numbers]
    return [_matched([None if own is None else own[layer] for own in costs], boxes.device)
            for layer in range(num_layers)]


def _matched(costs: Sequence[Tensor | None], device: torch.device) -> Matched:
    """Of one layer, from the costs (Q, N) of each picture, None for a picture without objects."""
    rows = [torch.zeros(3, 0, dtype=torch.long)]
    for image, cost in enumerate(costs):
        if cost is not None:
            query, own = map(torch.from_numpy, linear_sum_assignment(cost))
            rows.append(torch.stack([torch.full_like(query, image), query, own]))
    return Matched(*torch.cat(rows, dim=1).to(device))
