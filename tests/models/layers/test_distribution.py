"""Distances as distributions, and complete IoU."""
import math

import pytest
import torch
from mmdet_ext.models.layers import complete_iou, distances_to_boxes, distribution_focal_loss, expected_distances
from torch.testing import assert_close


def test_the_expectation_of_a_certain_bin_is_that_bin():
    logits = torch.full((2, 16, 3), -50.0)
    logits[:, 7] = 50
    assert_close(expected_distances(logits, dim=1), torch.full((2, 3), 7.0))


def test_equal_logits_give_the_middle():
    assert_close(expected_distances(torch.zeros(16), dim=0), torch.tensor(7.5))


def test_boxes_around_points_by_hand():
    box = distances_to_boxes(torch.tensor([10.0, 20.0]), torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert box.tolist() == [9, 18, 13, 24]


def test_focal_loss_lies_between_the_two_bins_beside_the_distance():
    logits = torch.randn(16)
    minus_log = -logits.log_softmax(0)
    assert_close(distribution_focal_loss(logits, torch.tensor(3.25)), 0.75 * minus_log[3] + 0.25 * minus_log[4])
    assert_close(distribution_focal_loss(logits, torch.tensor(99.0)), 0.01 * minus_log[14] + 0.99 * minus_log[15],
                 rtol=1e-4, atol=1e-5)
    assert_close(distribution_focal_loss(logits, torch.tensor(-5.0)), minus_log[0])


@pytest.mark.parametrize('box1, box2, expected', [
    ((0, 0, 10, 10), (0, 0, 10, 10), 1.0),
    ((0, 0, 10, 10), (10, 10, 20, 20), -0.25),  # distance^2 200 / 4 = 50 x 4 over a diagonal^2 of 800
    ((0, 0, 10, 10), (0, 0, 10, 20), 0.5 - 25 / 500 -  # centres 5 apart, diagonal^2 500
     (4 / math.pi**2 * (math.atan(1) - math.atan(0.5))**2)**2 /
     (4 / math.pi**2 * (math.atan(1) - math.atan(0.5))**2 + 0.5)),
])
def test_complete_iou_by_hand(box1, box2, expected):
    iou = complete_iou(torch.tensor(box1).double(), torch.tensor(box2).double())
    assert iou.item() == pytest.approx(expected, abs=1e-6)


def test_complete_iou_broadcasts_and_is_finite_for_boxes_without_area():
    many = complete_iou(torch.rand(3, 1, 4), torch.zeros(1, 5, 4))
    assert many.shape == (3, 5) and many.isfinite().all()


def test_complete_iou_passes_no_gradient_through_its_weight():
    boxes = torch.tensor([[0.0, 0, 4, 8]], dtype=torch.double, requires_grad=True)
    target = torch.tensor([[1.0, 1, 7, 5]], dtype=torch.double)
    complete_iou(boxes, target).sum().backward()
    step = 1e-6
    with torch.no_grad():
        moved = boxes + torch.tensor([[step, 0, 0, 0]])
        slope = ((complete_iou(moved, target) - complete_iou(boxes, target)) / step).item()
    # the finite difference sees the weight move too, so it must differ, but not by much
    assert slope != pytest.approx(boxes.grad[0, 0].item(), rel=1e-4)
    assert slope == pytest.approx(boxes.grad[0, 0].item(), rel=0.5)
