"""Hungarian matching of all layers of a decoder at once."""
from typing import NamedTuple

import numpy as np
import torch
from mmdet.models.task_modules.assigners import HungarianAssigner
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ...transfers import to_device, to_host
from .layer_costs import layer_costs
from .objects import Objects


class Matched(NamedTuple):
    """The matched queries and objects of one decoder layer, over the batch, sorted by image and query.

    image, query, object: (M, ) indices; objects are counted within their image.
    """
    image: Tensor
    query: Tensor
    object: Tensor


class LayerMatching(NamedTuple):
    """The matched queries and objects of all layers; each layer matches the same number M of queries.

    Attributes:
        image, query, object: (layers, M), as in `Matched`.
        flat_query: (layers, M), index of the query in (layers, B, Q) flattened.
        flat_object: (layers, M), index of the object among all objects of the batch.
    """
    image: Tensor
    query: Tensor
    object: Tensor
    flat_query: Tensor
    flat_object: Tensor

    def by_layer(self) -> list[Matched]:
        return [Matched(*layer) for layer in zip(*(part.unbind() for part in self[:3]))]


@torch.no_grad()
def match_layers(assigner: HungarianAssigner, scores: Tensor, boxes: Tensor, objects: Objects) -> LayerMatching:
    """Match each layer and image as `assigner` does, with one copy to the host and one back.

    Args:
        assigner: Its `match_costs` are used.
        scores: (layers, B, Q, K) logits.
        boxes: (layers, B, Q, 4), cx, cy, w, h relative to the image.
        objects: Objects of the B images.
    """
    with torch.autocast(boxes.device.type, enabled=False):
        costs = to_host(layer_costs(assigner.match_costs, scores, boxes, objects)).numpy() if len(objects) else None
    num_layers, num_images, num_queries = scores.shape[:3]
    rows, start = [], 0  # (3, layers, M_i) per image: query, object, flat_object
    for count in objects.host_counts:
        if count:
            image_costs = costs[start:start + count].transpose(1, 2, 0)  # (layers, Q, N_i)
            pairs = np.array([linear_sum_assignment(cost) for cost in image_costs])  # (layers, 2, M_i)
            rows.append(np.stack([pairs[:, 0], pairs[:, 1], pairs[:, 1] + start]))
        else:
            rows.append(np.zeros((3, num_layers, 0), dtype=np.int64))
        start += count
    image = np.repeat(np.arange(num_images), [row.shape[2] for row in rows])
    query, index, flat_object = np.concatenate(rows, axis=2)
    image = np.broadcast_to(image, query.shape)
    flat_query = (np.arange(num_layers)[:, None] * num_images + image) * num_queries + query
    indices = torch.from_numpy(np.stack([image, query, index, flat_query, flat_object]))
    return LayerMatching(*to_device(indices, boxes.device).unbind())
