"""NMS in a graph against `batch_detections`, which prediction uses."""
import pytest
import torch
from mmengine.config import Config
from torch.testing import assert_close

from mmdet_ext.export.nms import detections, rules_of, select
from mmdet_ext.models.dense_heads.postprocess import batch_detections


def crowd(batch: int = 3, points: int = 200, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Boxes (B, N, 4) that overlap a lot, and logits (B, N, C)."""
    corners = torch.rand(batch, points, 2) * 60
    return torch.cat([corners, corners + 5 + torch.rand(batch, points, 2) * 30], 2), torch.randn(batch, points, classes)


@pytest.mark.parametrize('settings', [
    dict(),
    dict(score_thr=0.5, nms=dict(iou_threshold=0.4), max_per_img=7),
    dict(multi_label=False),
    dict(nms=dict(type='nms', iou_threshold=0.5, class_agnostic=True)),
    dict(nms=dict(class_agnostic=True), multi_label=False, max_per_img=3),
])
def test_it_keeps_what_prediction_keeps(settings):
    boxes, logits = crowd()
    expected = batch_detections(logits, lambda images, points: boxes[images, points], **settings)
    counts, kept, scores, labels = detections(boxes, logits.sigmoid().transpose(1, 2), rules_of(settings))
    assert counts.tolist() == list(map(len, expected))
    for row, result in enumerate(expected):
        count = len(result)
        assert_close(kept[row, :count], result.bboxes)
        assert_close(scores[row, :count], result.scores)
        assert labels[row, :count].equal(result.labels)
        assert not kept[row, count:].any() and not scores[row, count:].any() and (labels[row, count:] == -1).all()


def test_images_without_a_detection_get_rows_of_nothing():
    boxes, logits = crowd(batch=2)
    scores = logits.sigmoid().transpose(1, 2)
    scores[1] = 0
    counts, kept, *_ = detections(boxes, scores, rules_of(dict(max_per_img=500)))
    assert counts[0] > 0 and counts[1] == 0
    assert kept.shape == (2, 500, 4)


def test_boxes_of_different_images_and_classes_do_not_meet():
    boxes = torch.tensor([[[0., 0, 10, 10]], [[0., 0, 10, 10]]])
    scores = torch.full((2, 3, 1), 0.5)
    assert sorted(select(boxes, scores, 0.5, 0.1).tolist()) == [[i, c, 0] for i in range(2) for c in range(3)]


@pytest.mark.parametrize(('settings', 'message'), [
    (dict(score_thr=1.5), 'score_thr should be between 0 and 1, got 1.5'),
    (dict(nms=dict(iou_threshold=-1)), 'iou_threshold should be between'),
    (dict(nms=dict(type='soft_nms')), "should be 'nms' to be exported, got 'soft_nms'"),
    (dict(max_per_img=0), 'max_per_img should be at least 1, got 0'),
])
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        rules_of(Config(settings))
