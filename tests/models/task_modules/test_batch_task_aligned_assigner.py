"""The assigner against the dense textbook form and against values worked out by hand; limits."""
import pytest
import torch
from benchmarks.counts import count
from benchmarks.measure import peak_bytes
from benchmarks.textbook import dense_assign, dense_losses
from benchmarks.inputs import random_targets, raw_predictions
from mmdet_ext.models.losses import task_aligned_losses
from mmdet_ext.models.task_modules import batch_task_aligned_assigner
from mmdet_ext.models.task_modules import BatchTargets, BatchTaskAlignedAssigner, pad_targets
from mmengine.structures import InstanceData
from torch.testing import assert_close

CPU = torch.device('cpu')


def one_box(box: tuple, label: int = 0) -> BatchTargets:
    return BatchTargets(torch.tensor([[box]]).float(), torch.tensor([[label]]), torch.tensor([[True]]))


@pytest.mark.parametrize('boxes', [1, 7, 30])
def test_equals_the_dense_form(boxes):
    predictions = raw_predictions(3, 192, 5, CPU)
    targets = random_targets(3, boxes, 192, 5, CPU)
    targets.valid[1, boxes // 2:] = False
    targets.boxes[1, boxes // 2:] = 0
    decoded = predictions.boxes().detach()
    assigned = BatchTaskAlignedAssigner()(predictions.class_logits, decoded, predictions.points, targets)
    class_targets, box_targets, foreground = dense_assign(predictions.class_logits.detach().sigmoid().mT, decoded.mT,
                                                          predictions.points, targets)
    sparse = torch.zeros_like(class_targets)
    sparse[assigned.images, assigned.points, targets.labels[assigned.images, assigned.targets]] = assigned.scores
    assert_close(sparse, class_targets, rtol=1e-5, atol=1e-7)
    weighted = class_targets.sum(-1) > 0
    assert weighted.sum() == len(assigned.images) > 0
    assert (foreground | ~weighted).all()
    assert targets.boxes[assigned.images, assigned.targets].equal(box_targets[assigned.images, assigned.points])


def test_losses_equal_the_dense_form_with_gradients():
    predictions, targets = raw_predictions(2, 128, 5, CPU), random_targets(2, 6, 128, 5, CPU)
    assigned = BatchTaskAlignedAssigner()(predictions.class_logits, predictions.boxes(), predictions.points, targets)
    losses, dense = task_aligned_losses(predictions, assigned, targets), dense_losses(predictions, targets)
    assert_close(losses, dense, rtol=1e-5, atol=1e-6)
    leaves = (predictions.class_logits, predictions.box_logits)
    assert_close(torch.autograd.grad(sum(losses.values()), leaves), torch.autograd.grad(sum(dense.values()), leaves),
                 rtol=1e-4, atol=1e-8)


def test_a_perfect_prediction_gets_the_full_score():
    points = torch.tensor([[4.0, 4.0], [12.0, 4.0], [40.0, 40.0]])
    logits = torch.tensor([[[9.0, -9.0, 9.0]]])
    boxes = torch.tensor([[0.0, 0, 16, 8]]).T.repeat(1, 1, 3).view(1, 4, 3)
    assigned = BatchTaskAlignedAssigner()(logits, boxes, points, one_box((0, 0, 16, 8)))
    scores = dict(zip(assigned.points.tolist(), assigned.scores.tolist()))
    assert scores[0] == pytest.approx(1.0, abs=1e-4)  # the better score of two perfect boxes
    assert scores[1] == pytest.approx((torch.tensor([-9.0, 9.0]).sigmoid().sqrt()[0] /
                                       torch.tensor(9.0).sigmoid().sqrt()).item(), rel=1e-3)
    assert 2 not in scores  # outside


def test_no_more_than_topk_points_per_box():
    predictions = raw_predictions(1, 128, 3, CPU)
    targets = one_box((0, 0, 128, 128))
    for topk in (1, 4, 10):
        assigned = BatchTaskAlignedAssigner(topk)(predictions.class_logits, predictions.boxes(), predictions.points,
                                                  targets)
        assert len(assigned.points.unique()) == topk


def test_points_on_the_border_are_outside():
    assigned = BatchTaskAlignedAssigner()(torch.zeros(1, 1, 1), torch.tensor([[[4.0], [0], [12], [8]]]),
                                          torch.tensor([[4.0, 4.0]]), one_box((4, 0, 12, 8)))
    assert len(assigned.points) == 0


def test_no_boxes_give_no_positives():
    predictions = raw_predictions(2, 64, 3, CPU)
    empty = [InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long))] * 2
    assigned = BatchTaskAlignedAssigner()(predictions.class_logits, predictions.boxes(), predictions.points,
                                          pad_targets(empty))
    assert [len(x) for x in assigned] == [0, 0, 0, 0]


def test_pad_targets_by_hand():
    counts = [2, 0, 1]
    instances = [InstanceData(bboxes=torch.ones(n, 4) * (i + 1), labels=torch.full((n, ), i))
                 for i, n in enumerate(counts)]
    boxes, labels, valid = pad_targets(instances)
    assert valid.tolist() == [[True, True], [False, False], [True, False]]
    assert boxes[..., 0].tolist() == [[1, 1], [0, 0], [3, 0]]
    assert labels.tolist() == [[0, 0], [0, 0], [2, 0]]


def test_a_batch_of_two_equals_two_batches_of_one():
    predictions, targets = raw_predictions(2, 128, 5, CPU), random_targets(2, 6, 128, 5, CPU)
    assigner, decoded = BatchTaskAlignedAssigner(), predictions.boxes().detach()
    both = assigner(predictions.class_logits, decoded, predictions.points, targets)
    for i in range(2):
        alone = assigner(predictions.class_logits[i:i + 1], decoded[i:i + 1], predictions.points,
                         BatchTargets(*(x[i:i + 1] for x in targets)))
        of_image = both.images == i
        alone_order, batch_order = alone.points.argsort(), both.points[of_image].argsort()
        assert alone.points[alone_order].equal(both.points[of_image][batch_order])
        assert_close(alone.scores[alone_order], both.scores[of_image][batch_order])


def test_topk_below_1_is_refused():
    with pytest.raises(ValueError, match='topk.*0'):
        BatchTaskAlignedAssigner(0)


def test_a_contested_point_may_go_to_a_box_that_did_not_choose_it():
    """Two boxes want the point, a third one that does not reach it overlaps its prediction most."""
    truth = torch.tensor([[[0., 0, 10, 10], [0, 0, 10, 12], [6, 0, 16, 10]]])
    targets = BatchTargets(truth, torch.tensor([[0, 1, 2]]), torch.ones(1, 3, dtype=torch.bool))
    assigned = BatchTaskAlignedAssigner()(torch.zeros(1, 3, 1), torch.tensor([[[5.5], [0], [15.5], [10]]]),
                                          torch.tensor([[5., 5.]]), targets)
    assert assigned.targets.tolist() == [2] and assigned.points.tolist() == [0]


@pytest.mark.parametrize('pairs', [1, 1000, 20_000])
def test_chunks_change_nothing(pairs, monkeypatch):
    predictions, targets = raw_predictions(2, 128, 5, CPU), random_targets(2, 30, 128, 5, CPU)
    arguments = (predictions.class_logits.detach(), predictions.boxes().detach(), predictions.points, targets)
    unsplit = BatchTaskAlignedAssigner()(*arguments)
    monkeypatch.setattr(batch_task_aligned_assigner, 'CPU_PAIRS', pairs)
    for part, expected in zip(BatchTaskAlignedAssigner()(*arguments).slots, unsplit.slots, strict=True):
        assert part.equal(expected)


def test_the_host_waits_for_nothing_and_boxes_add_no_operators():
    operators = []
    for boxes in (3, 30):
        predictions, targets = raw_predictions(2, 128, 5, CPU), random_targets(2, boxes, 128, 5, CPU)

        def step():
            assigned = BatchTaskAlignedAssigner()(predictions.class_logits, predictions.boxes(), predictions.points,
                                                  targets)
            sum(task_aligned_losses(predictions, assigned, targets).values()).backward()

        counts = count(step)
        assert not counts.synchronisations and not counts.uploads
        operators.append(counts.operators.total())
    assert operators[0] == operators[1] < 600


def test_memory_does_not_grow_with_the_number_of_pairs():
    predictions, peaks = raw_predictions(2, 320, 5, CPU), []
    for boxes in (250, 2000):
        targets = random_targets(2, boxes, 320, 5, CPU)
        arguments = (predictions.class_logits.detach(), predictions.boxes().detach(), predictions.points, targets)
        peaks.append(peak_bytes(lambda: BatchTaskAlignedAssigner()(*arguments), CPU))
    assert peaks[1] < 1.5 * peaks[0]  # eight times as many pairs
