"""mmdet's `DetInferencer` with a small MDETR: captions go in as `texts`, phrases come out with the boxes."""
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.apis import DetInferencer
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmdet_ext.text.tokenizer_training import save_encoder_folder, train_tokenizer

CAPTION = 'a red circle left of a blue star'


@pytest.fixture(scope='module')
def config(tmp_path_factory) -> Config:
    folder = tmp_path_factory.mktemp('text') / 'encoder'
    save_encoder_folder(train_tokenizer([CAPTION], 300), folder, layers=1, hidden_size=32, heads=2)
    cfg = Config.fromfile('configs/mdetr/mdetr_r18_shapes.py')
    cfg.model.text_encoder.name = str(folder)
    return cfg


@pytest.fixture(scope='module')
def inferencer(config, tmp_path_factory) -> DetInferencer:
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    with torch.no_grad():
        model.bbox_head.fc_cls.weight.mul_(5)  # so that boxes have different phrases
        model.query_embedding.weight.normal_(std=10)
    path = tmp_path_factory.mktemp('weights') / 'random.pth'
    torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(classes=('object', )))), path)
    return DetInferencer(config.copy(), str(path), device='cpu', show_progress=False)


@pytest.fixture
def images(tmp_path) -> list[str]:
    paths = [str(tmp_path / f'{name}.png') for name in 'ab']
    for path in paths:
        cv2.imwrite(path, np.random.randint(0, 256, (90, 120, 3), dtype=np.uint8))
    return paths


def test_boxes_come_with_their_phrases(inferencer, images):
    sample, = inferencer(images[0], texts=CAPTION, return_datasamples=True)['predictions']
    instances = sample.pred_instances
    assert len(instances) == 20 and instances.bboxes.max() <= 120 and (instances.scores <= 1).all()
    assert all(''.join(CAPTION[begin:end] for begin, end in spans) == phrase.replace(' ... ', '') != ''
               for spans, phrase in zip(instances.spans, instances.phrases, strict=True))
    assert len(set(instances.phrases)) > 1


def test_labels_of_the_dict_are_indices_of_phrases(inferencer, images, tmp_path):
    content, = inferencer(images[0], texts=CAPTION, out_dir=str(tmp_path / 'out'), no_save_pred=False)['predictions']
    sample, = inferencer(images[0], texts=CAPTION, return_datasamples=True)['predictions']
    assert content == json.loads(Path(tmp_path, 'out/preds/a.json').read_text())
    pairs = set(zip(content['labels'], map(str, sample.pred_instances.spans), strict=True))
    assert len(pairs) == len(set(content['labels'])) == len(set(map(str, sample.pred_instances.spans)))
    assert max(content['labels']) == len(pairs) - 1


def test_two_images_with_a_text_each(inferencer, images):
    texts = [CAPTION, 'a star']
    both = inferencer(images, texts=texts, batch_size=2, return_datasamples=True)['predictions']
    for sample, image, text in zip(both, images, texts, strict=True):
        assert sample.text == text
        alone, = inferencer(image, texts=text, return_datasamples=True)['predictions']
        torch.testing.assert_close(sample.pred_instances.bboxes, alone.pred_instances.bboxes, rtol=1e-3, atol=1e-2)
        assert sample.pred_instances.phrases == alone.pred_instances.phrases


def test_images_are_drawn_with_the_caption_beneath(inferencer, images, tmp_path):
    array = cv2.imread(images[0])
    drawn, = inferencer(array, texts=CAPTION, return_vis=True, pred_score_thr=0.)['visualization']
    assert drawn.shape[1] == 640 and drawn.shape[0] > 480 + 29 + 10  # enlarged, with a heading and the caption
    inferencer(images[0], texts=CAPTION, out_dir=str(tmp_path / 'out'), pred_score_thr=0.)
    saved = cv2.imread(str(tmp_path / 'out/vis/a.png'))
    enlarged = cv2.resize(array, (640, 480), interpolation=cv2.INTER_CUBIC)
    assert saved.shape == drawn.shape and (saved[29:509] != enlarged).any()


def test_an_empty_caption_has_boxes_without_phrases(inferencer, images):
    sample, = inferencer(images[0], texts='', return_datasamples=True)['predictions']
    assert sample.pred_instances.phrases == [''] * 20 and not sample.pred_instances.labels.any()


def test_an_image_without_a_caption_is_named(inferencer, images):
    with pytest.raises(ValueError, match=r'a.png: MDETR needs a caption'):
        inferencer(images[0])


def test_the_share_of_the_best_token_can_be_set(config):
    model = MODELS.build(config.model | dict(test_cfg=dict(phrase_fraction=0.9)))
    assert model.bbox_head.phrase_fraction == 0.9
