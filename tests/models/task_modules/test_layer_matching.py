"""Matching of all layers at once against the assigner, layer by layer and picture by picture."""
import pytest
import torch
from mmdet.registry import TASK_UTILS
from mmengine.structures import InstanceData

import mmdet_ext  # noqa: F401
from mmdet_ext.models.task_modules.layer_matching import match_layers

COSTS = [dict(type='SoftTokenCost', weight=1.), dict(type='BBoxL1Cost', weight=5., box_format='xywh'),
         dict(type='IoUCost', iou_mode='giou', weight=2.)]


def boxes_of(*shape: int) -> torch.Tensor:
    corners = torch.rand(*shape, 2, 2) * 90
    return torch.cat([corners.amin(-2), corners.amax(-2) + 5], dim=-1)


@pytest.mark.parametrize('counts', [(3, 0, 7), (0, 0), (12, 1)])
def test_layers_and_pictures_are_matched_as_by_the_assigner(counts):
    torch.manual_seed(0)
    assigner = TASK_UTILS.build(dict(type='HungarianAssigner', match_costs=COSTS))
    layers, queries = 4, 9  # fewer queries than the twelve objects
    scores, boxes = torch.randn(layers, len(counts), queries, 256), boxes_of(layers, len(counts), queries)
    objects = [InstanceData(bboxes=boxes_of(count), labels=torch.zeros(count, dtype=torch.long),
                            positive_maps=(torch.rand(count, 256) > 0.98).float()) for count in counts]
    metas = [dict(img_shape=(100, 100 + 10 * i)) for i in range(len(counts))]
    found = match_layers(assigner, scores, boxes, objects, metas)
    assert len(found) == layers
    for layer, matched in enumerate(found):
        for image, (own, meta) in enumerate(zip(objects, metas)):
            predicted = InstanceData(scores=scores[layer, image], bboxes=boxes[layer, image])
            expected = assigner.assign(predicted, own, meta).gt_inds
            here = torch.zeros(queries, dtype=torch.long)
            chosen = matched.image == image
            here[matched.query[chosen]] = matched.object[chosen] + 1
            assert here.equal(expected)
    assert sum(len(matched.image) for matched in found) == layers * sum(min(count, queries) for count in counts)
