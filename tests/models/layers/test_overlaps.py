"""Overlaps of pairs of boxes against mmdet's."""
import pytest
import torch
from mmdet.structures.bbox import bbox_overlaps
from torch.testing import assert_close

from mmdet_ext.models.layers.overlaps import broadcast_overlaps


@pytest.mark.parametrize('mode', ['iou', 'giou', 'iof'])
def test_values_and_gradients_are_mmdets(mode):
    corners = torch.rand(2, 20, 2, 2) * 10
    boxes = torch.cat([corners.amin(2), corners.amax(2)], dim=-1)
    boxes[:, 0] = torch.tensor([3., 3, 3, 3])  # without area
    boxes[1, 1] = boxes[0, 1]
    boxes[1, 2] = boxes[0, 2] * 1e-5  # smaller than eps
    first, second = boxes.clone().requires_grad_()
    overlaps, expected = broadcast_overlaps(first, second, mode), bbox_overlaps(first, second, mode, is_aligned=True)
    assert_close(overlaps, expected)
    for one, other in zip(*(torch.autograd.grad(value.sum(), (first, second)) for value in (overlaps, expected))):
        assert_close(one, other)


def test_boxes_may_broadcast():
    first = torch.tensor([[0., 0, 2, 2], [0, 0, 1, 1]])
    second = torch.tensor([[0., 0, 2, 2], [5, 5, 6, 6], [1, 1, 2, 2]])
    assert_close(broadcast_overlaps(first[:, None], second, 'iou'), torch.tensor([[1., 0, 0.25], [0.25, 0, 0]]))


def test_an_unknown_mode_is_named():
    with pytest.raises(ValueError, match="'diou'"):
        broadcast_overlaps(torch.zeros(1, 4), torch.zeros(1, 4), 'diou')
