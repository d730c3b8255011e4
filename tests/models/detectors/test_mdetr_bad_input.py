"""MDETR, mmdet's DetInferencer and the images with captions that are empty, too long or not in Latin letters."""
import warnings

import cv2
import numpy as np
import pytest
import torch
from mmdet.apis import DetInferencer
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData

from mmdet_ext.models.text_encoders import RobertaTextEncoder
from mmdet_ext.text.tokenizer_training import save_encoder_folder, train_tokenizer
from mmdet_ext.visualization.grounding.visualizer import COLORS, GroundingVisualizer

CAPTION, FOREIGN = 'a red circle and a star', '赤い丸と青い星 🐈'


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp('text') / 'encoder'
    save_encoder_folder(train_tokenizer([CAPTION], 300), folder, layers=1, hidden_size=32, heads=2)
    return str(folder)


@pytest.fixture(scope='module')
def config(folder) -> Config:
    cfg = Config.fromfile('configs/mdetr/mdetr_r18_shapes.py')
    cfg.model.text_encoder.update(name=folder, pretrained=False)
    cfg.model.backbone.init_cfg = None
    return cfg


@pytest.fixture(scope='module')
def inferencer(config) -> DetInferencer:
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # it has random weights and no classes
        return DetInferencer(config.copy(), device='cpu', show_progress=False)


@pytest.fixture
def image() -> np.ndarray:
    return np.full((96, 128, 3), 180, np.uint8)


def look(inferencer: DetInferencer, image: np.ndarray, texts: object) -> InstanceData:
    sample, = inferencer(image, texts=texts, return_datasamples=True)['predictions']
    return sample.pred_instances


def train(config: Config, caption: str, spans: list) -> dict[str, torch.Tensor]:
    """Losses of one image with a box for each entry of `spans`."""
    model = MODELS.build(config.model).train()
    boxes = torch.tensor([[10., 20, 60, 70]]).repeat(len(spans), 1)
    instances = InstanceData(bboxes=boxes, labels=torch.zeros(len(spans), dtype=torch.long), tokens_positive=spans)
    shape = dict(img_shape=(96, 128), ori_shape=(96, 128), batch_input_shape=(96, 128))
    sample = DetDataSample(gt_instances=instances, metainfo=dict(text=caption, **shape))
    return model.loss(torch.randn(1, 3, 96, 128), [sample])


def test_a_caption_without_words_gives_boxes_without_phrases(inferencer, image):
    for caption in ('', '   '):
        instances = look(inferencer, image, caption)
        assert len(instances) == 20 and instances.bboxes.isfinite().all() and set(instances.phrases) == {''}


@pytest.mark.parametrize('caption', [FOREIGN, 'zzz unseen ÄÖÜ', 'tabs\tand\nlines'])
def test_phrases_are_cut_from_the_caption_whatever_its_letters(inferencer, image, caption):
    for spans, phrase in zip(*(look(inferencer, image, caption).get(key) for key in ('spans', 'phrases'))):
        assert phrase and phrase == ' ... '.join(caption[begin:end] for begin, end in spans)


def test_no_caption_and_one_that_is_too_long_are_named(inferencer, image):
    with pytest.raises(ValueError, match='MDETR needs a caption, `text` in the meta information'):
        look(inferencer, image, None)
    with pytest.raises(ValueError, match=r"the caption 'cat cat .*'\.\.\. has \d+ tokens, and the text encoder takes"):
        look(inferencer, image, 'cat ' * 400)


@pytest.mark.parametrize('caption, spans, message', [
    (CAPTION, [[[-1, 4]]], 'a character of a caption should be at 0 or later, got -1'),
    (CAPTION, [[[0, 0]]], 'a character of a caption should be at 0 or later, got -1'),
])
def test_spans_in_front_of_the_caption_are_an_error_in_training(config, caption, spans, message):
    with pytest.raises(ValueError, match=message):
        train(config, caption, spans)


@pytest.mark.parametrize('spans', [[[[900, 950]]], [[[1, 2]]], [[]], [[[0, 12]], []], [[[0, 12]]] * 300])
def test_boxes_without_tokens_and_more_boxes_than_queries_or_tokens_train(config, spans):
    losses = train(config, CAPTION, spans)
    assert all(value.isfinite() for value in losses.values()) and losses['loss_bbox'] > 0
    has_tokens = any(begin == 0 for box_spans in spans for begin, _ in box_spans)
    assert bool(losses['loss_align'] > 0) == has_tokens


def test_missing_text_weights_are_an_error_that_says_how_to_get_them(monkeypatch, folder):
    monkeypatch.setenv('HF_HUB_OFFLINE', '1')
    with pytest.raises((OSError, ValueError), match='hf download .* --local-dir'):
        RobertaTextEncoder(folder)  # a tokenizer and a config without weights
    with pytest.raises(OSError, match='name=/nowhere/roberta: there is no such folder'):
        RobertaTextEncoder('/nowhere/roberta')


def test_letters_that_no_font_has_keep_their_colours_and_are_told_once(image, tmp_path):
    boxes, spans = torch.tensor([[10., 20, 60, 70], [70., 30, 120, 80]]), [[[0, 3]], [[8, 9]]]
    sample = DetDataSample(pred_instances=InstanceData(bboxes=boxes, scores=torch.tensor([.9, .8]), spans=spans))
    sample.set_metainfo(dict(text=FOREIGN))
    with pytest.warns(UserWarning, match='no font of the visualizer has the letters') as caught:
        GroundingVisualizer(font_families=['DejaVu Serif', 'DejaVu Sans']).add_datasample(
            'x', image, sample, draw_gt=False, out_file=str(tmp_path / 'x.png'))
    messages = [str(warning.message) for warning in caught]
    glyphs = [message for message in messages if 'letters' in message or 'Glyph' in message]
    assert len(glyphs) == 1 and '丸' in glyphs[0] and '🐈' in glyphs[0]
    strip = cv2.imread(str(tmp_path / 'x.png'))[96:, :, ::-1].astype(int)
    for color in COLORS[:2]:
        assert (np.abs(strip - color).max(axis=-1) < 45).any()
