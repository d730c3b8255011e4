"""Detections of a batch against the plain way, image by image over all points; what the host waits for."""

import pytest
import torch
import torchvision
from mmengine.structures import InstanceData
from torch import Tensor
from torch.testing import assert_close

from benchmarks.counts import count
from mmdet_ext.models.dense_heads import YOLOv9Head
from mmdet_ext.models.dense_heads.postprocess import (CLASS_OFFSET, batch_detections, to_original_image,
                                                      to_original_images)


def plain(boxes: Tensor, scores: Tensor, *, score_thr: float, iou_threshold: float = 0.7, class_agnostic: bool = False,
          nms_pre: int = 30000, max_per_img: int = 300, multi_label: bool = True) -> InstanceData:
    """The detections of one image from boxes (N, 4) and scores (N, C), computed class by class."""
    if not multi_label:
        scores = scores.where(scores == scores.max(dim=1, keepdim=True).values, 0.0)
    at, labels = (scores > score_thr).nonzero(as_tuple=True)
    order = scores[at, labels].argsort(descending=True)[:nms_pre]
    at, labels = at[order], labels[order]
    shifted = boxes[at] + (0 if class_agnostic else labels[:, None] * CLASS_OFFSET)
    kept = torchvision.ops.nms(shifted, scores[at, labels], iou_threshold)[:max_per_img]
    return InstanceData(bboxes=boxes[at[kept]], scores=scores[at, labels][kept], labels=labels[kept])


def random_batch(images: int = 5, points: int = 60, classes: int = 3) -> tuple[Tensor, Tensor]:
    """Logits (B, N, C), of image 1 and the last one all low, and boxes (B, N, 4) that overlap."""
    logits = torch.randn(images, points, classes)
    logits[[1, -1]] -= 100
    corners = torch.rand(images, points, 2) * 40
    return logits, torch.cat([corners, corners + 20 + torch.rand(images, points, 2) * 40], dim=2)


def boxes_at(boxes: Tensor):
    return lambda images, points: boxes[images, points]


@pytest.mark.parametrize('together', [0, 60, 150, 10000])
@pytest.mark.parametrize('options', [dict(), dict(max_per_img=3), dict(nms_pre=7), dict(multi_label=False)])
def test_a_batch_has_what_each_image_has_by_the_plain_way(together, options):
    logits, boxes = random_batch()
    for agnostic in (False, True):
        results = batch_detections(logits, boxes_at(boxes), score_thr=0.5, together=together,
                                   nms=dict(iou_threshold=0.4, class_agnostic=agnostic), **options)
        assert [len(result) > 0 for result in results] == [True, False, True, True, False]
        for i, result in enumerate(results):
            expected = plain(boxes[i], logits[i].sigmoid(), score_thr=0.5, iou_threshold=0.4, class_agnostic=agnostic,
                             **options)
            assert result.bboxes.equal(expected.bboxes) and result.labels.equal(expected.labels)
            assert_close(result.scores, expected.scores)


@pytest.mark.parametrize('threshold, expected', [(0.0, 3), (0.001, 2), (0.5, 1), (1.0, 0)])
def test_logits_are_compared_with_the_threshold_as_scores_would_be(threshold, expected):
    logits = torch.tensor([[[-20.0], [-2.0], [3.0], [-200.0]]])
    boxes = torch.arange(4.0)[:, None].mul(100).add(torch.tensor([0.0, 0, 50, 50]))[None]
    assert len(batch_detections(logits, boxes_at(boxes), score_thr=threshold)[0]) == expected


def maps_of(images: int, size: int = 64, shift: float = 0.0) -> tuple[list[Tensor], list[Tensor]]:
    """Class and box maps of a head of three classes."""
    shapes = [(size // stride, size // stride) for stride in (8, 16, 32)]
    return ([torch.randn(images, 3, *shape) + shift for shape in shapes],
            [torch.randn(images, 64, *shape) * 2 for shape in shapes])


@pytest.mark.parametrize('shift', [0.0, -3.0])
@pytest.mark.parametrize('memory_format', [torch.contiguous_format, torch.channels_last])
def test_candidates_are_decoded_as_all_points_are(shift, memory_format):
    head = YOLOv9Head(3, (8, 8, 8), box_channels=8, class_channels=8, test_cfg=dict(score_thr=0.3)).eval()
    maps = maps_of(2, shift=shift)
    predictions = head.predictions(*maps)
    results = head.predict_by_feat(*[[x.to(memory_format=memory_format) for x in part] for part in maps], [{}, {}])
    for i, result in enumerate(results):
        expected = plain(predictions.boxes()[i].mT, predictions.class_logits[i].sigmoid().mT, score_thr=0.3)
        assert len(result) > 0
        assert_close(result.bboxes, expected.bboxes, rtol=0, atol=1e-4)
        assert_close(result.scores, expected.scores)
        assert result.labels.equal(expected.labels)


def test_half_maps_are_compared_and_decoded_in_float32():
    head = YOLOv9Head(3, (8, 8, 8), box_channels=8, class_channels=8, test_cfg=dict(score_thr=0.3)).eval()
    half = [[x.bfloat16() for x in part] for part in maps_of(1)]
    detections, = head.predict_by_feat(*half, [{}])
    expected, = head.predict_by_feat(*[[x.float() for x in part] for part in half], [{}])
    assert detections.bboxes.dtype == torch.float32 and detections.bboxes.equal(expected.bboxes)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        within, = head.predict_by_feat(*half, [{}])
    assert within.bboxes.equal(expected.bboxes)


@pytest.mark.parametrize('images', [2, 16])
def test_the_host_waits_as_often_for_many_images_as_for_two(images):
    logits, boxes = random_batch(images)
    metas = [dict(ori_shape=(50, 60), scale_factor=(0.5, 0.5), pad_param=(3.0, 2.5))] * images
    results = []

    def predict() -> None:
        results.extend(batch_detections(logits, boxes_at(boxes), score_thr=0.5, together=30000))
        to_original_images(results, metas)

    counts = count(predict)
    assert counts.synchronisations == dict(nonzero=1, nms=1, tolist=2) and sum(counts.uploads.values()) == 1
    assert len(results) == images


def test_boxes_of_several_images_return_with_their_own_numbers():
    metas = [dict(ori_shape=(100, 200), scale_factor=(0.5, 0.5), pad_param=(10.0, 4.5)),
             dict(ori_shape=(50, 60), scale_factor=(2.0, 2.0))]
    boxes = [torch.rand(n, 4) * 200 for n in (3, 2)]
    results = [InstanceData(bboxes=corners) for corners in boxes]
    to_original_images(results, metas)
    for result, image_boxes, meta in zip(results, boxes, metas, strict=True):
        assert result.bboxes.equal(to_original_image(image_boxes, meta))
