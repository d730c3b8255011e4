"""Slices of large images."""
from dataclasses import replace

import numpy as np
import pytest
import supervision as sv
from blobs import BlobPredictor, scene

from mmdet_ext.predict import SlicedPredictor
from mmdet_ext.predict.slicing import _without_overlaps

# Side 6 of 640 pixels: 1.5 pixels where the network sees 160. One is cut by an edge of slices, one is large.
SMALL = [('red', 40, 40, 6), ('blue', 300, 45, 6), ('red', 590, 590, 6), ('red', 158, 300, 6), ('blue', 200, 400, 60)]


def test_small_objects_that_the_image_does_not_show_are_found():
    image = scene(SMALL, width=640, height=640)
    predictor = BlobPredictor(side=160)
    assert predictor(image).boxes.tolist() == [[200, 400, 260, 460]]
    detections = SlicedPredictor(predictor, 160, 0.25)(image)
    boxes = sorted(detections.boxes.round().astype(int).tolist())
    assert boxes == sorted([left, top, left + side, top + side] for _, left, top, side in SMALL)
    assert sorted(detections.names) == ['blue', 'blue', 'red', 'red', 'red'] and detections.shape == (640, 640)
    assert detections.scores.tolist() == sorted(detections.scores.tolist(), reverse=True)


def test_slices_go_through_the_network_in_batches():
    predictor = BlobPredictor(side=160)
    SlicedPredictor(predictor, 160, 0)(scene([], width=640, height=320), batch_size=3)
    assert predictor.batches == [1, 3, 3, 2]


def test_a_small_image_is_not_sliced(tmp_path):
    predictor = BlobPredictor()
    detections = SlicedPredictor(predictor, 160)([scene([('red', 10, 10, 20)])])[0]
    assert predictor.batches == [1] and len(detections) == 1


def test_an_image_without_objects_gives_none():
    detections = SlicedPredictor(BlobPredictor(side=160), 160)(scene([], width=400, height=400))
    assert len(detections) == 0 and detections.boxes.shape == (0, 4)


def test_masks_stand_where_the_objects_are():
    image = scene([('red', 300, 40, 30)], width=400, height=400)
    detections = SlicedPredictor(BlobPredictor(with_masks=True), 160)(image)
    assert detections.masks.shape == (1, 400, 400) and detections.masks.sum() == 900
    assert np.array_equal(detections.masks[0], (image == (0, 0, 255)).all(axis=2))


def test_phrases_of_slices_have_one_number_each():
    image = scene([('blue', 20, 20, 8), ('red', 350, 350, 8), ('blue', 300, 20, 8)], width=400, height=400)
    detections = SlicedPredictor(BlobPredictor(side=160), 160)(image, 'a red and a blue square')
    assert len(set(zip(detections.names, detections.labels.tolist()))) == 2
    assert SlicedPredictor(BlobPredictor(side=160), 160)(image, 'red').names == ['red']


@pytest.mark.parametrize('arguments, message', [((8, ), 'at least 32 pixels, got 8'), ((640, 1.), 'below 1, got 1.0'),
                                                ((640, -0.1), 'got -0.1')])
def test_sizes_out_of_range_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        SlicedPredictor(BlobPredictor(), *arguments)


def test_fewer_boxes_remain_as_supervision_chooses_them():
    random = np.random.default_rng(0)
    corners = random.uniform(0, 100, (60, 2))
    boxes = sv.Detections(np.hstack([corners, corners + random.uniform(1, 40, (60, 2))]).astype(np.float32),
                          confidence=random.random(60), class_id=random.integers(0, 2, 60))
    expected = boxes.with_nms(0.5, overlap_metric=sv.OverlapMetric.IOS)
    assert 5 < len(expected) < 60
    assert {*_without_overlaps(boxes, 0.5).confidence} == {*expected.confidence}


def test_a_weak_detection_suppresses_none_that_is_kept():
    class Weak(BlobPredictor):
        """Sees in the complete image half of the square too, with a score of 0.01."""

        def _find(self, image, text):
            sure = super()._find(image, text)
            half = replace(sure, boxes=sure.boxes - np.float32([0, 0, 20, 0]), scores=sure.scores * 0 + 0.01)
            return sure if image.shape[0] < 90 else replace(
                sure, boxes=np.concatenate([sure.boxes, half.boxes]), labels=np.repeat(sure.labels, 2),
                scores=np.concatenate([sure.scores, half.scores]), names=sure.names * 2)

    image = scene([('red', 0, 10, 60)], width=120, height=90)  # at the edge of the image
    detections = SlicedPredictor(Weak(), size=64, score_thr=0.25)(image)
    assert max(detections.scores) > 0.9 and (detections.boxes[:, 2] - detections.boxes[:, 0]).max() >= 59
