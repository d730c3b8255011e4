"""`Predictor` on MDETR, its prompted form and SMCA-DETR: what `DetInferencer` finds, captions as `texts`."""
from pathlib import Path

import cv2
import pytest
import torch
from images import smooth
from mmdet.apis import DetInferencer
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch.testing import assert_close

from mmdet_ext.predict import Predictor
from mmdet_ext.text.tokenizer_training import save_encoder_folder, train_tokenizer

CAPTION = 'a red circle left of a blue star'


@pytest.fixture(scope='module')
def config(tmp_path_factory) -> Config:
    folder = tmp_path_factory.mktemp('text') / 'encoder'
    save_encoder_folder(train_tokenizer([CAPTION], 300), folder, layers=1, hidden_size=32, heads=2)
    cfg = Config.fromfile('configs/mdetr/mdetr_r18_shapes.py')
    cfg.model.text_encoder.name = str(folder)
    return cfg


@pytest.fixture
def images(tmp_path) -> list[str]:
    sizes = dict(a=(90, 120), b=(90, 120), c=(64, 130))
    for name, (height, width) in sizes.items():
        cv2.imwrite(str(tmp_path / f'{name}.png'), smooth(height, width))
    return [str(tmp_path / f'{name}.png') for name in sizes]


@torch.no_grad()
def write_weights(cfg: Config, file: Path) -> str:
    init_default_scope('mmdet')
    model = MODELS.build(cfg.model)
    model.query_embedding.weight.normal_(std=10)
    torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(classes=('star', 'circle')))), file)
    return str(file)


def assert_same(detections, sample) -> None:
    instances = sample.pred_instances
    assert len(detections) == len(instances) > 0
    assert_close(detections.boxes, instances.bboxes.numpy(), rtol=0, atol=1e-3)
    assert_close(detections.scores, instances.scores.numpy(), rtol=0, atol=1e-5)
    assert detections.labels.tolist() == instances.labels.tolist()


def test_a_text_for_each_image_and_one_for_all(config, images, tmp_path):
    weights = write_weights(config, tmp_path / 'weights.pth')
    predictor = Predictor(config, weights, 'cpu')
    inferencer = DetInferencer(config.copy(), weights, device='cpu', show_progress=False)
    texts = [CAPTION, 'a star', 'a blue circle']
    expected = inferencer(images, texts=list(texts), return_datasamples=True)['predictions']
    for detections, sample in zip(predictor(images, texts), expected, strict=True):
        assert_same(detections, sample)
        assert detections.names == sample.pred_instances.phrases
    for detections, image in zip(predictor(images[:2], CAPTION, batch_size=2), images, strict=False):
        assert_same(detections, predictor(image, CAPTION).sample)
        assert detections.sample.text == CAPTION


def test_a_missing_caption_is_named(config, images, tmp_path):
    predictor = Predictor(config, write_weights(config, tmp_path / 'weights.pth'), 'cpu')
    with pytest.raises(ValueError, match='texts is missing: MDETR looks for what a caption names'):
        predictor(images[0])


def test_prompts_are_the_classes_and_need_no_caption(config, images, tmp_path):
    cfg = config.copy()
    cfg.model.type = 'PromptedMDETR'
    cfg.model.test_cfg = dict(chunk=2, max_per_img=9)
    weights = write_weights(cfg, tmp_path / 'weights.pth')
    inferencer = DetInferencer(cfg.copy(), weights, device='cpu', show_progress=False)
    expected = inferencer(images, return_datasamples=True)['predictions']
    for detections, sample in zip(Predictor(cfg, weights, 'cpu')(images), expected, strict=True):
        assert_same(detections, sample)
        assert set(detections.names) <= {'star', 'circle'} and len(detections) == 9


def test_smca_finds_what_the_inferencer_finds(images, tmp_path):
    cfg = Config.fromfile('configs/smca/smca_r18_shapes.py')
    weights = write_weights(cfg, tmp_path / 'weights.pth')
    inferencer = DetInferencer(cfg.copy(), weights, device='cpu', show_progress=False)
    expected = inferencer(images, return_datasamples=True)['predictions']
    for detections, sample in zip(Predictor(cfg, weights, 'cpu')(images), expected, strict=True):
        assert_same(detections, sample)
