"""`Detections`: what they convert to, how they are drawn and saved."""
import csv
import json

import cv2
import numpy as np
import pytest
import torch
from blobs import BlobPredictor, scene, write_scene
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmdet_ext.predict import Detections
from mmdet_ext.predict.detections import detections_of
from mmdet_ext.predict.file_forms import encode_masks

SQUARES = [('red', 10, 20, 30), ('blue', 70, 40, 24)]


@pytest.fixture
def detections(tmp_path) -> Detections:
    return BlobPredictor(with_masks=True)(str(write_scene(tmp_path / 'ä.png', *SQUARES)))


def empty() -> Detections:
    return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), [], None, (90, 120))


def test_to_supervision(detections):
    converted = detections.to_supervision()
    assert converted.xyxy.tolist() == [[10, 20, 40, 50], [70, 40, 94, 64]]
    assert converted['class_name'].tolist() == ['red', 'blue'] and converted.class_id.tolist() == [0, 1]
    assert converted.mask.sum(axis=(1, 2)).tolist() == [900, 576] and converted.tracker_id is None
    assert len(converted[converted['class_name'] == 'blue']) == 1
    assert len(empty().to_supervision()) == 0


def test_to_pandas(detections):
    table = detections.to_pandas()
    assert list(table.columns) == ['image', 'name', 'label', 'score', 'x1', 'y1', 'x2', 'y2']
    assert table[table.name == 'blue'].iloc[0][['x1', 'y2']].tolist() == [70, 64]
    assert list(empty().to_pandas().columns) == list(table.columns)


def test_to_yolo_stays_inside_the_image():
    outside = Detections(np.float32([[-30, 45, 60, 180]]), np.float32([0.5]), np.array([2]), ['c'], None, (90, 120))
    assert outside.to_yolo() == '2 0.250000 0.750000 0.500000 0.500000\n'
    assert outside.to_yolo(with_scores=True).split()[-1] == '0.500000'


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.csv', '.json', '.txt'])
def test_save_writes_what_the_suffix_names(detections, tmp_path, suffix):
    path = detections.save(tmp_path / 'new' / f'ö{suffix}')
    content = path.read_bytes()
    if suffix in ('.jpg', '.png'):
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        assert image.shape == (480, 640, 3)
    elif suffix == '.csv':
        assert [row['name'] for row in csv.DictReader(content.decode().splitlines())] == ['red', 'blue']
    elif suffix == '.json':
        assert json.loads(content)['names'] == ['red', 'blue']
    else:
        assert content.decode() == detections.to_yolo()


def test_above_leaves_out_the_score_itself():
    half = Detections(np.zeros((2, 4), np.float32), np.float32([0.6, 0.5]), np.array([0, 1]), ['a', 'b'], None, (9, 9))
    assert half.above(0.5).names == ['a']


def test_drawing_leaves_the_image_as_it_is(detections):
    image = scene(SQUARES)
    before = image.copy()
    drawn = detections.draw(image)
    assert np.array_equal(image, before) and drawn.shape == (480, 640, 3)
    assert np.array_equal(drawn, detections.draw())  # reads the file
    assert not np.array_equal(drawn, empty().draw(image))


def test_what_cannot_be_drawn_or_saved_is_named(detections, tmp_path):
    with pytest.raises(ValueError, match='given as an array, which is not kept'):
        empty().draw()
    with pytest.raises(ValueError, match=r'an image of \(90, 120\) pixels, got \(10, 10\)'):
        detections.draw(np.zeros((10, 10, 3), np.uint8))
    with pytest.raises(ValueError, match=r'a\.gif: the suffix should be one of \.jpg.*\.csv'):
        detections.save(tmp_path / 'a.gif')
    assert not (tmp_path / 'a.gif').exists()


def test_masks_of_a_model_come_along_and_are_chosen_with_their_boxes():
    masks = torch.zeros(2, 4, 6, dtype=torch.bool)
    masks[1, 2:, 3:] = True
    sample = DetDataSample(metainfo=dict(ori_shape=(4, 6)), pred_instances=InstanceData(
        bboxes=torch.tensor([[0., 0, 1, 1], [3, 2, 6, 4]]), scores=torch.tensor([0.2, 0.9]),
        labels=torch.tensor([0, 1]), masks=masks))
    best = detections_of([sample], ('a', 'b'))[0].above(0.5)
    assert encode_masks(best.masks)[0]['size'] == [4, 6]
    assert best.names == ['b'] and best.masks.tolist() == masks[1:].tolist() and len(best.sample.pred_instances) == 1
