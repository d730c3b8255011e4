"""Matching of all layers at once against the assigner, layer by layer and image by image."""
import pytest
import torch
from mmdet.registry import TASK_UTILS
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from mmengine.structures import InstanceData

from mmdet_ext import transfers
from mmdet_ext.models.task_modules.layer_matching import match_layers
from mmdet_ext.models.task_modules.objects import gather_objects

L1, GIOU = dict(type='BBoxL1Cost', weight=5., box_format='xywh'), dict(type='IoUCost', iou_mode='giou', weight=2.)
TOKENS = dict(type='SoftTokenCost', weight=1.)
COSTS = {
    'mdetr': [TOKENS, L1, GIOU],
    'smca': [dict(type='FocalLossCost', weight=2.), L1, GIOU],
    'detr': [dict(type='ClassificationCost', weight=1.), dict(type='BBoxL1Cost', weight=3.),
             dict(type='IoUCost', iou_mode='iou')],
    'others too': [TOKENS, L1, dict(type='BinaryFocalLossCost', weight=2.)],  # which no batched form is known of
    'one': [GIOU],
}
CLASSES = 256


def boxes_of(*shape: int) -> torch.Tensor:
    """Relative cx, cy, w, h."""
    return torch.cat([torch.rand(*shape, 2), 0.05 + 0.4 * torch.rand(*shape, 2)], dim=-1)


def sizes_of(meta: dict) -> torch.Tensor:
    return torch.tensor([meta['img_shape'][::-1]] * 2).view(4)


def truth_of(counts: tuple[int, ...]) -> tuple[list[InstanceData], list[dict], list[torch.Tensor]]:
    metas = [dict(img_shape=(100, 100 + 10 * i)) for i in range(len(counts))]
    instances = [InstanceData(bboxes=bbox_cxcywh_to_xyxy(boxes_of(count)) * sizes_of(meta),
                              labels=torch.randint(CLASSES, (count, )),
                              text_token_mask=torch.ones(count, CLASSES, dtype=torch.bool))
                 for count, meta in zip(counts, metas)]
    return instances, metas, [(torch.rand(count, CLASSES) > 0.98).float() for count in counts]


@pytest.mark.parametrize('counts', [(3, 0, 7), (0, 0), (12, 1)])
@pytest.mark.parametrize('costs', COSTS)
def test_layers_and_images_are_matched_as_by_the_assigner(costs, counts):
    assigner = TASK_UTILS.build(dict(type='HungarianAssigner', match_costs=COSTS[costs]))
    layers, queries = 4, 9  # fewer queries than the twelve objects
    scores, boxes = torch.randn(layers, len(counts), queries, CLASSES), boxes_of(layers, len(counts), queries)
    instances, metas, maps = truth_of(counts)
    matching = match_layers(assigner, scores, boxes, gather_objects(instances, metas, maps))
    by_layer = matching.by_layer()
    assert len(by_layer) == layers
    for layer, matched in enumerate(by_layer):
        for image, (truth, meta) in enumerate(zip(instances, metas)):
            truth.positive_maps = maps[image]
            corners = bbox_cxcywh_to_xyxy(boxes[layer, image]) * sizes_of(meta)
            predicted = InstanceData(scores=scores[layer, image], bboxes=corners)
            expected = assigner.assign(predicted, truth, meta).gt_inds
            here = torch.zeros(queries, dtype=torch.long)
            chosen = matched.image == image
            here[matched.query[chosen]] = matched.object[chosen] + 1
            assert here.equal(expected)
    assert sum(len(matched.image) for matched in by_layer) == layers * sum(min(count, queries) for count in counts)


def test_places_and_entries_count_over_the_batch():
    assigner = TASK_UTILS.build(dict(type='HungarianAssigner', match_costs=COSTS['mdetr']))
    scores, boxes = torch.randn(2, 3, 9, CLASSES), boxes_of(2, 3, 9)
    instances, metas, maps = truth_of((2, 0, 3))
    objects = gather_objects(instances, metas, maps)
    matching = match_layers(assigner, scores, boxes, objects)
    layer = torch.arange(2)[:, None]
    assert matching.flat_query.shape == (2, 5)
    assert scores.flatten(0, 2)[matching.flat_query].equal(scores[layer, matching.image, matching.query])
    expected = torch.stack([maps[i][n] for i, n in zip(matching.image[1], matching.object[1])])
    assert objects.positive_maps[matching.flat_object[1]].equal(expected)


def test_objects_of_a_batch_by_hand():
    instances = [InstanceData(bboxes=torch.tensor([[10., 10, 30, 50]]), labels=torch.tensor([4])),
                 InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long)),
                 InstanceData(bboxes=torch.tensor([[0., 0, 20, 20]] * 2), labels=torch.tensor([1, 2]))]
    objects = gather_objects(instances, [dict(img_shape=shape) for shape in ((100, 200), (50, 50), (40, 80))])
    assert objects.image.tolist() == [0, 2, 2] and objects.labels.tolist() == [4, 1, 2]
    assert objects.counts.tolist() == objects.host_counts == [1, 0, 2] and len(objects) == 3
    assert objects.positive_maps is None
    torch.testing.assert_close(objects.boxes_cxcywh[:2], torch.tensor([[0.1, 0.3, 0.1, 0.4], [0.125, 0.25, 0.25, 0.5]]))


@pytest.mark.parametrize('counts, copies', [((3, 0, 7), 1), ((0, 0), 0)])
def test_one_copy_to_the_host_and_one_back(monkeypatch, counts, copies):
    calls = []
    for name in ('to_host', 'to_device'):
        function = getattr(transfers, name)
        monkeypatch.setattr(f'mmdet_ext.models.task_modules.layer_matching.{name}',
                            lambda *args, name=name, function=function: (calls.append(name), function(*args))[1])
    assigner = TASK_UTILS.build(dict(type='HungarianAssigner', match_costs=COSTS['mdetr']))
    instances, metas, maps = truth_of(counts)
    match_layers(assigner, torch.randn(4, len(counts), 9, CLASSES), boxes_of(4, len(counts), 9),
                 gather_objects(instances, metas, maps))
    assert calls == ['to_host'] * copies + ['to_device']
