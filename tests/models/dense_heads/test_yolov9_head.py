"""YOLOv9Head and its post-processing: widths, initial values, limits, errors. Numbers: `tests/parity`."""
import math

import pytest
import torch
from mmdet_ext.models.dense_heads import YOLOv9Head
from mmdet_ext.models.dense_heads.postprocess import batch_detections, to_original_image
from mmdet_ext.models.task_modules import Assignment
from mmengine.structures import InstanceData
from torch.testing import assert_close


def small_head(**options) -> YOLOv9Head:
    return YOLOv9Head(3, (8, 8, 8), box_channels=8, class_channels=8, **options)


def feats(batch: int = 2, size: int = 64) -> list[torch.Tensor]:
    return [torch.rand(batch, 8, size // s, size // s) for s in (8, 16, 32)]


def instances(*counts: int) -> list[InstanceData]:
    box = torch.tensor([[8.0, 8, 40, 50]])
    return [InstanceData(bboxes=box.repeat(n, 1), labels=torch.arange(n) % 3) for n in counts]


@pytest.mark.parametrize('num_classes, in_channels, box, cls', [
    (80, 64, 64, 128), (80, 128, 64, 128), (80, 240, 64, 240), (80, 512, 128, 512), (20, 64, 64, 64),
    (6, 330, 84, 330)])
def test_towers_are_as_wide_as_published(num_classes, in_channels, box, cls):
    head = YOLOv9Head(num_classes, (in_channels, ) * 3)
    assert head.box_towers[0][0].conv.out_channels == box
    assert head.class_towers[0][0].conv.out_channels == cls
    assert head.box_towers[0][1].conv.groups == head.box_towers[0][2].groups == 4


def test_biases_start_as_published():
    head = YOLOv9Head(80, (64, 96, 128))
    assert [tower[-1].bias.unique().item() for tower in head.box_towers] == [1, 1, 1]
    biases = [tower[-1].bias.unique().item() for tower in head.class_towers]
    assert biases == pytest.approx([-11.5366, -10.1503, -8.7641], abs=1e-4)


def test_the_four_groups_of_the_box_tower_are_the_four_sides():
    head = small_head().eval()
    x = torch.rand(1, 8, 2, 2)
    with torch.no_grad():
        before = head.box_towers[0](x)
        head.box_towers[0][1].conv.weight[:2] = 0  # the first group feeds the left side and nothing else
        moved = (head.box_towers[0](x) != before).flatten(2).any(2)[0]
    assert moved[:16].any() and not moved[16:].any()


def test_points_are_cell_centres_row_by_row():
    predictions = small_head().predictions(*small_head()(feats(1)))
    assert predictions.points[:2].tolist() == [[4, 4], [12, 4]]
    assert predictions.points[8].tolist() == [4, 12]
    assert predictions.strides.unique(return_counts=True)[1].tolist() == [64, 16, 4]


@pytest.mark.parametrize('counts', [(2, 1), (0, 1), (0, 0)])
def test_every_parameter_gets_a_gradient_with_and_without_boxes(counts):
    head = small_head()
    losses = head.loss_by_feat(*head(feats()), instances(*counts), None)
    assert all(value.isfinite() for value in losses.values())
    if not any(counts):
        assert losses['loss_bbox'] == losses['loss_dfl'] == 0 < losses['loss_cls']
    sum(losses.values()).backward()
    assert [name for name, p in head.named_parameters() if p.grad is None] == []


def test_an_image_without_boxes_changes_nothing_but_the_classification():
    head = small_head().eval()
    maps = head([x[:1] for x in feats()])
    pair = [[torch.cat([x, x]) for x in part] for part in maps]
    alone = head.loss_by_feat(*maps, instances(1), None)
    beside = head.loss_by_feat(*pair, instances(1, 0), None)
    assert_close(beside['loss_bbox'], 2 * alone['loss_bbox'])  # the factor is the batch size
    assert_close(beside['loss_dfl'], 2 * alone['loss_dfl'])
    assert beside['loss_cls'] > 2 * alone['loss_cls']


def test_losses_are_multiplied_by_the_batch_size_unless_told_not_to():
    head, other = small_head(), small_head(sum_over_images=False)
    other.load_state_dict(head.state_dict())
    maps = feats()
    scaled, plain = (h.eval().loss_by_feat(*h(maps), instances(1, 2), None) for h in (head, other))
    assert_close(scaled, {name: 2 * value for name, value in plain.items()})


def test_a_given_assignment_is_used():
    head = small_head()
    maps = head(feats())
    gts = instances(1, 2)
    losses = head.loss_by_feat(*maps, gts, None)
    assignment = head.assign(*maps, gts)
    same = head.loss_by_feat(*maps, gts, None, assignment=assignment)
    total = assignment.scores.sum().item()
    assert_close(same['loss_bbox'] * min(total, 1), losses['loss_bbox'], rtol=1e-4, atol=1e-6)
    half = assignment._replace(scores=assignment.scores / 2)
    assert not head.loss_by_feat(*maps, gts, None, assignment=half)['loss_cls'].allclose(same['loss_cls'])


def test_the_sum_of_scores_below_1_is_a_divisor_only_under_a_given_assignment():
    head = YOLOv9Head(2, (8, ), strides=(8, ))
    maps = [torch.zeros(1, 2, 1, 1)], [torch.zeros(1, 64, 1, 1)]  # one point, both classes at a probability of 1/2
    truth = [InstanceData(bboxes=torch.tensor([[0., 0, 8, 8]]), labels=torch.tensor([0]))]
    zero = torch.zeros(1, dtype=torch.long)
    given = Assignment(zero, zero, zero, torch.tensor([0.25]))
    loss = head.loss_by_feat(*maps, truth, [{}], assignment=given)['loss_cls']
    assert_close(loss, torch.tensor(0.5 * 2 * math.log(2) / 0.25))  # the gain, two cross-entropies, the sum of scores
    loss = head.loss_by_feat(*maps, truth, [{}])['loss_cls']  # its own scores sum to less than 1
    assert_close(loss, torch.tensor(0.5 * 2 * math.log(2)))


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_the_loss_is_computed_in_float32_under_autocast(dtype):
    head = small_head().eval()
    gts = instances(1, 2)
    with torch.autocast('cpu', dtype=dtype):
        maps = head(feats())
        assert maps[0][0].dtype == dtype
        within = head.loss_by_feat(*maps, gts, None)
        assigned = head.assign(*maps, gts)
    without = head.loss_by_feat(*maps, gts, None)
    assert within == without and all(value.dtype == torch.float32 for value in within.values())
    for assigned_part, expected in zip(assigned, head.assign(*maps, gts)):
        assert assigned_part.equal(expected)


def test_a_batch_of_two_predicts_what_two_batches_of_one_do():
    head = small_head(test_cfg=dict(score_thr=0.0)).eval()
    maps = feats()
    with torch.no_grad():
        both = head.predict_by_feat(*head(maps), [{}, {}])
        for i in range(2):
            one, = head.predict_by_feat(*head([x[i:i + 1] for x in maps]), [{}])
            assert_close(one.scores, both[i].scores)
            assert_close(one.bboxes, both[i].bboxes, rtol=1e-4, atol=1e-3)


def test_without_suppression_every_point_is_returned():
    head = small_head().eval()
    detections, = head.predict_by_feat(*head(feats(1)), [{}], with_nms=False)
    assert len(detections.scores) == 64 + 16 + 4


def suppressed(boxes: torch.Tensor, scores: torch.Tensor, **options) -> InstanceData:
    detections, = batch_detections(scores.logit()[None], lambda images, points: boxes[points], **options)
    return detections


def test_suppression_by_hand():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60]])
    scores = torch.tensor([[0.9, 0.1], [0.8, 0.7], [0.3, 0.0]])
    detections = suppressed(boxes, scores, score_thr=0.2)
    assert detections.scores.tolist() == pytest.approx([0.9, 0.7, 0.3])
    assert detections.labels.tolist() == [0, 1, 0]
    detections = suppressed(boxes, scores, score_thr=0.2, nms=dict(class_agnostic=True))
    assert detections.scores.tolist() == pytest.approx([0.9, 0.3])
    detections = suppressed(boxes, scores, score_thr=0.2, multi_label=False, nms=dict(iou_threshold=0.95),
                            max_per_img=2)
    assert detections.scores.tolist() == pytest.approx([0.9, 0.8])


def test_no_score_above_the_threshold_gives_no_box():
    detections = suppressed(torch.rand(4, 4), torch.zeros(4, 2))
    assert detections.bboxes.shape == (0, 4) and len(detections.scores) == len(detections.labels) == 0


def test_another_kind_of_suppression_is_refused():
    with pytest.raises(ValueError, match='soft_nms'):
        suppressed(torch.rand(4, 4), torch.rand(4, 2), nms=dict(type='soft_nms', iou_threshold=0.5))


def test_boxes_return_through_padding_and_scale_and_are_clipped():
    meta = dict(ori_shape=(100, 200), scale_factor=(0.5, 0.5), pad_param=(10.0, 4.5))
    boxes = to_original_image(torch.tensor([[10.0, 4.5, 60, 29.5], [0, 0, 500, 500]]), meta)
    assert boxes.tolist() == [[0, 0, 100, 50], [0, 0, 200, 100]]


@pytest.mark.parametrize('options, message', [
    (dict(num_classes=0, in_channels=(8, 8, 8)), 'num_classes.*0'),
    (dict(num_classes=3, in_channels=(8, 8)), r'in_channels and strides.*\(8, 8\)'),
])
def test_wrong_values_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        YOLOv9Head(**options)


def test_the_bias_of_another_number_of_classes():
    head = YOLOv9Head(2, (8, 8, 8))
    assert head.class_towers[0][-1].bias[0].item() == pytest.approx(math.log(5 / 2 / 80**2))


def test_maps_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r'YOLOv9Head has in_channels=\[16\], and gets 1 map of 8 channels'):
        YOLOv9Head(2, [16], [8])([torch.zeros(1, 8, 4, 4)])
