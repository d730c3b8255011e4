"""Losses of all layers at once: against the way layer by layer, and what they cost the host."""
import pytest
import torch
from mmdet.models.dense_heads import DETRHead
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch.testing import assert_close

from benchmarks.counts import Counts, count
from mmdet_ext.models.dense_heads import GroundingOutputs

BOXES = [dict(type='BBoxL1Cost', weight=5., box_format='xywh'), dict(type='IoUCost', iou_mode='giou', weight=2.)]
FOCAL = dict(loss_cls=dict(type='FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=2.0),
             sync_cls_avg_factor=True, costs=[dict(type='FocalLossCost', weight=2.), *BOXES])
SOFTMAX = dict(loss_cls=dict(type='CrossEntropyLoss', bg_cls_weight=0.1, use_sigmoid=False, class_weight=1.0),
               costs=[dict(type='ClassificationCost', weight=1.), *BOXES])
QUALITY = dict(FOCAL, loss_cls=dict(type='QualityFocalLoss', use_sigmoid=True, beta=2.0))
OTHER_BOXES = dict(SOFTMAX, loss_bbox=dict(type='SmoothL1Loss', beta=0.1, loss_weight=5.),
                   loss_iou=dict(type='CIoULoss', loss_weight=2.))


def smca_head(costs: list[dict], **options) -> torch.nn.Module:
    assigner = dict(type='HungarianAssigner', match_costs=costs)
    return MODELS.build(dict(type='SMCAHead', num_classes=5, train_cfg=dict(assigner=assigner), **options))


def truth(counts: tuple[int, ...]) -> tuple[list[InstanceData], list[dict]]:
    metas = [dict(img_shape=(80 + 7 * i, 120)) for i in range(len(counts))]
    instances = []
    for number in counts:
        corners = torch.rand(number, 2, 2) * 60
        instances.append(InstanceData(bboxes=torch.cat([corners.amin(1), corners.amax(1) + 4], dim=1),
                                      labels=torch.randint(5, (number, )), isfinal=torch.rand(number) > 0.5,
                                      tokens_positive=[[[2 * i, 2 * i + 1]] for i in range(number)]))
    return instances, metas


def smca_outputs(head: torch.nn.Module, layers: int, images: int,
                 queries: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    scores = torch.randn(layers, images, queries, head.cls_out_channels, requires_grad=True)
    return scores, torch.rand(layers, images, queries, 4).mul(0.8).add(0.1).requires_grad_()


@pytest.mark.parametrize('options', [FOCAL, SOFTMAX, QUALITY, OTHER_BOXES])
@pytest.mark.parametrize('counts', [(3, 1), (0, 4), (0, 0), (15, 2)])
def test_smcas_losses_are_those_of_detrs_head(options, counts):
    head, (instances, metas) = smca_head(**options), truth(counts)
    leaves = smca_outputs(head, 3, len(counts))
    losses_at_once = head.loss_by_feat(*leaves, instances, metas)
    expected = DETRHead.loss_by_feat(head, *leaves, instances, metas)
    assert losses_at_once.keys() == expected.keys()
    for name, value in expected.items():
        assert_close(losses_at_once[name].view(()), value.view(()), rtol=1e-5, atol=1e-6)
    gradients = (torch.autograd.grad(sum(losses.values()).sum(), leaves) for losses in (losses_at_once, expected))
    for one, other in zip(*gradients):
        assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_another_assigner_goes_detrs_way(monkeypatch):
    class FirstQueries:
        """An assigner that gives object i to query i."""

        def assign(self, pred_instances, gt_instances, img_meta):
            gt_inds = torch.zeros(len(pred_instances), dtype=torch.long)
            gt_inds[:len(gt_instances)] = torch.arange(len(gt_instances)) + 1
            return type('Result', (), dict(gt_inds=gt_inds))

    head, (instances, metas) = smca_head(**FOCAL), truth((2, 1))
    head.assigner = FirstQueries()
    scores, boxes = smca_outputs(head, 1, 2)
    losses = head.loss_by_feat(scores, boxes, instances, metas)
    instances[0].bboxes += 1
    moved = head.loss_by_feat(scores, boxes, instances, metas)
    gradient, = torch.autograd.grad(moved['loss_bbox'], boxes)
    assert losses['loss_bbox'] != moved['loss_bbox']
    assert gradient.any(-1).nonzero().tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 0]]


def mdetr_case(layers: int, counts: tuple[int, ...]) -> tuple:
    costs = [dict(type='SoftTokenCost', weight=1.), *BOXES]
    head = MODELS.build(dict(type='MDETRHead', loss_align=dict(type='ContrastiveAlignLoss'), predict_final=True,
                             train_cfg=dict(assigner=dict(type='HungarianAssigner', match_costs=costs))))
    instances, metas = truth(counts)
    samples = [DetDataSample(gt_instances=gt_instances, metainfo=meta) for gt_instances, meta in zip(instances, metas)]
    shape = (layers, len(counts), 12)
    unit = torch.nn.functional.normalize
    outputs = GroundingOutputs(torch.randn(*shape, 256, requires_grad=True), torch.rand(*shape, 4, requires_grad=True),
                               unit(torch.randn(*shape, 8), dim=-1).requires_grad_(),
                               unit(torch.randn(len(counts), 50, 8), dim=-1).requires_grad_(),
                               torch.randn(shape, requires_grad=True))
    return head, outputs, [[(i, i + 1) for i in range(50)]] * len(counts), samples


@pytest.mark.parametrize('counts', [(3, 1), (0, 4), (0, 0), (15, 2)])
def test_mdetrs_losses_of_a_layer_are_those_of_the_layer_alone(counts):
    head, outputs, offsets, samples = mdetr_case(3, counts)
    leaves = [outputs.logits, outputs.boxes, outputs.queries, outputs.tokens, outputs.isfinal]
    losses = head.loss_by_feat(outputs, offsets, samples)
    assert len(losses) == 3 * 7
    for layer, prefix in enumerate(('d0.', 'd1.', '')):
        alone = GroundingOutputs(*(part if part is outputs.tokens else part[layer:layer + 1] for part in outputs))
        single = head.loss_by_feat(alone, offsets, samples)
        for name, value in single.items():
            assert_close(losses[f'{prefix}{name}'], value)
        single_gradients = torch.autograd.grad(sum(value for name, value in single.items() if 'loss' in name), leaves)
        gradients = torch.autograd.grad(sum(losses[f'{prefix}{name}'] for name in single if 'loss' in name), leaves,
                                        retain_graph=True)
        for one, other in zip(gradients, single_gradients):
            assert_close(one, other)


def counted(system: str, layers: int, counts: tuple[int, ...]) -> Counts:
    if system == 'mdetr':
        head, *arguments = mdetr_case(layers, counts)
    else:
        head = smca_head(**FOCAL)
        arguments = *smca_outputs(head, layers, len(counts)), *truth(counts)

    def work() -> None:
        losses = head.loss_by_feat(*arguments)
        torch.stack([value for name, value in losses.items() if 'loss' in name]).sum().backward()

    return count(work)


@pytest.mark.parametrize('system', ['smca', 'mdetr'])
def test_the_host_waits_for_the_costs_and_for_nothing_else(system):
    counts = counted(system, 6, (3, 0, 7))
    assert counts.synchronisations == {'cpu': 1} and not counts.uploads
    assert not counted(system, 6, (0, 0)).synchronisations


@pytest.mark.parametrize('system, limit', [('smca', 400), ('mdetr', 510)])
def test_operators_do_not_grow_with_images_or_layers(system, limit):
    few, more_images, more_layers = (counted(system, *case).operators for case in ((2, (3, 1)), (2, (3, 1, 2, 2)),
                                                                                   (6, (3, 1))))
    assert few.total() <= limit
    # an array of the host is taken for a tensor, once an image; each loss is a view of its name's
    assert {name for name in more_images if more_images[name] != few[name]} <= {'lift_fresh'}
    assert {name for name in more_layers if more_layers[name] != few[name]} == {'select'}
