"""`Predictor` on YOLOv9: what mmdet's `DetInferencer` finds, from all that it takes; and what it refuses."""
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.apis import DetInferencer
from mmengine.registry import init_default_scope
from torch.testing import assert_close

from images import CLASSES, CONFIG, smooth, sure_config, write_images, write_sure_weights
from mmdet_ext.predict import Predictor

pytestmark = pytest.mark.usefixtures('shallow_blocks')


@pytest.fixture(scope='module')
def images(tmp_path_factory) -> list[str]:
    return write_images(tmp_path_factory.mktemp('images'))


@pytest.fixture(scope='module')
def weights(tmp_path_factory) -> Path:
    init_default_scope('mmdet')
    torch.manual_seed(0)
    return write_sure_weights(sure_config(), tmp_path_factory.mktemp('weights') / 'sure.pth')


@pytest.fixture(scope='module')
def predictor(weights) -> Predictor:
    return Predictor(sure_config(), weights, 'cpu')


@pytest.fixture(scope='module')
def inferencer(weights) -> DetInferencer:
    return DetInferencer(sure_config(), str(weights), device='cpu', show_progress=False)


def assert_same(detections, expected: dict) -> None:
    assert len(detections) == len(expected['scores'])
    assert_close(detections.boxes, np.float32(expected['bboxes']).reshape(-1, 4), rtol=0, atol=1e-3)
    assert_close(detections.scores, np.float32(expected['scores']), rtol=0, atol=1e-5)
    assert detections.labels.tolist() == expected['labels']


def test_detections_are_those_of_the_inferencer(predictor, inferencer, images):
    results = [predictor(image) for image in images]
    for detections, expected in zip(results, inferencer(images)['predictions'], strict=True):
        assert_same(detections, expected)
    assert sum(len(detections) > 2 for detections in results) > 4


def test_photographs_give_what_the_inferencer_finds(predictor, inferencer, coco128):
    images = [str(path) for path in sorted((coco128 / 'train2017').glob('*.jpg'))[:6]]
    results = predictor(images)
    for detections, expected in zip(results, inferencer(images)['predictions'], strict=True):
        assert_same(detections, expected)
    assert sum(map(len, results)) > 20


def test_a_model_that_is_not_folded_finds_the_same(weights, inferencer, images):
    predictor = Predictor(sure_config(), weights, 'cpu', deployed=False)
    assert predictor.model.with_aux and predictor.traced_network is None
    assert_same(predictor(images[0]), inferencer(images[0])['predictions'][0])


def test_the_folded_model_has_no_auxiliary_head_and_is_frozen(predictor):
    assert not hasattr(predictor.model, 'aux_head') and predictor.traced_network is not None
    assert predictor.model.backbone.__class__.__name__ == 'GELAN' and not predictor.model.training


@pytest.mark.parametrize('batch_size', [2, 3, 10])
def test_batches_give_what_single_images_give_in_the_same_order(predictor, images, batch_size):
    for detections, image in zip(predictor(images, batch_size=batch_size), images, strict=True):
        assert detections.path == image
        assert_same(detections, predictor(image).to_dict())


def test_images_of_one_shape_go_through_the_network_together(predictor, images, monkeypatch):
    batches = []
    infer = predictor.infer
    monkeypatch.setattr(predictor, 'infer', lambda inputs, *rest: batches.append(len(inputs)) or infer(inputs, *rest))
    predictor(images[-2:] * 2, batch_size=3)
    assert batches == [3, 1]


def test_arrays_and_paths_give_the_same(predictor, images):
    turned = images[4]
    array = cv2.imread(turned)
    assert array.shape == (100, 60, 3)
    from_array, from_path = predictor(array), predictor([Path(turned)])[0]
    assert_same(from_array, from_path.to_dict())
    assert from_array.path is None and from_path.path == turned and from_path.shape == (100, 60)
    grey = smooth(50, 70)[..., 0]
    assert_same(predictor(grey), predictor(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)).to_dict())


def test_detections_convert(predictor, images):
    detections = predictor(images[0])
    assert detections.names == [CLASSES[label] for label in detections.labels]
    assert json.loads(json.dumps(detections.to_dict()))['bboxes'] == detections.boxes.tolist()
    middle = float(np.median(detections.scores))
    best = detections.above(middle)
    assert 0 < len(best) == int((detections.scores > middle).sum()) < len(detections)
    assert len(detections) == len(detections.sample.pred_instances)
    assert len(best.names) == len(best.sample.pred_instances) == len(best)
    assert len(detections.above(1.0)) == 0 and detections.above(1.0).boxes.shape == (0, 4)


def test_an_empty_list_gives_one(predictor):
    assert predictor([]) == []


def test_the_config_is_not_changed_and_options_lie_over_it(weights, images):
    cfg = sure_config()
    before = cfg.pretty_text
    predictor = Predictor(cfg, weights, 'cpu', cfg_options={'model.test_cfg.max_per_img': 2})
    assert cfg.pretty_text == before and len(predictor(images[0])) == 2


def test_without_a_checkpoint_the_weights_are_random_and_the_classes_the_data_sets():
    with pytest.warns(UserWarning, match='checkpoint is None: the weights are random'):
        predictor = Predictor('configs/yolov9/yolov9t_coco.py', device='cpu')
    assert predictor.model.dataset_meta['classes'][0] == 'person'


def test_unreadable_images_are_named(predictor, tmp_path):
    with pytest.raises(FileNotFoundError, match='there is no image .*missing.jpg'):
        predictor(tmp_path / 'missing.jpg')
    for name, content in dict(text=b'no image', empty=b'').items():
        (tmp_path / f'{name}.jpg').write_bytes(content)
        with pytest.raises(ValueError, match=f'{name}.jpg is no image that OpenCV can decode'):
            predictor([str(tmp_path / f'{name}.jpg')])


@pytest.mark.parametrize('call, message', [
    (dict(images=np.zeros((4, 4, 3), np.float32)), r'\(4, 4, 3\) float32'),
    (dict(images=np.zeros((4, 4, 2), np.uint8)), r'\(4, 4, 2\) uint8'),
    (dict(images=[3]), 'a path or an array, got int'),
    (dict(images=[], batch_size=0), 'batch_size should be at least 1, got 0'),
    (dict(images=['a', 'b'], texts=['one']), 'one for each of 2 images, got 1'),
    (dict(images=smooth(8, 8), texts='a cat'), "takes none, got 'a cat'"),
])
def test_wrong_calls_are_named(predictor, call, message):
    with pytest.raises(ValueError, match=message):
        predictor(**call)


def test_wrong_checkpoints_are_named(weights, tmp_path):
    with pytest.raises(FileNotFoundError, match='there is no checkpoint .*none.pth'):
        Predictor(CONFIG, tmp_path / 'none.pth', 'cpu')
    content = torch.load(weights)
    del content['state_dict']['bbox_head.box_towers.0.2.weight']
    torch.save(content, tmp_path / 'short.pth')
    with pytest.raises(ValueError, match='short.pth does not fit.*bbox_head.box_towers.0.2.weight is missing'):
        Predictor(CONFIG, tmp_path / 'short.pth', 'cpu')
    with pytest.raises(ValueError, match=r'sure.pth does not fit.*is \(80, 64, 3, 3\), should be \(16'):
        Predictor(CONFIG, weights, 'cpu', cfg_options={'model.bbox_head.class_channels': 16})
    torch.save([1], tmp_path / 'list.pth')
    with pytest.raises(ValueError, match='list.pth is no checkpoint of a model, but holds a list'):
        Predictor(CONFIG, tmp_path / 'list.pth', 'cpu')


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_a_device_that_is_not_there_is_named(weights):
    with pytest.raises(ValueError, match="device is 'cuda'"):
        Predictor(CONFIG, weights, 'cuda')


def test_what_is_neither_an_image_nor_a_list_is_named(predictor):
    with pytest.raises(ValueError, match='images should be a path.*got 3'):
        predictor(3)
