"""What MDETRDataset, the metrics and the tokens make of input that is wrong, empty, too long or not Latin."""
import json

import cv2
import numpy as np
import pytest
import torch
from grounding_files import image, row, write_grounding
from mmdet.registry import METRICS

from mmdet_ext.annotations.grounding_checks import grounding_problems
from mmdet_ext.datasets import MDETRDataset
from mmdet_ext.text.phrases import grounded_phrases
from mmdet_ext.text.positive_map import positive_map
from mmdet_ext.text.tokenization import tokenize
from mmdet_ext.text.tokenizer_training import train_tokenizer

FOREIGN = [('赤い丸の左の青い星', '青い星'), ('a 🐈 and a 👨‍👩‍👧 run', '👨‍👩‍👧'), ('ein Fuß über 2 Öfen', 'über'),
           ('naïve café\u0301 🇯🇵', '🇯🇵')]
PACK = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True), dict(type='PackGroundingInputs')]


@pytest.fixture(scope='module')
def tokenizer():
    return train_tokenizer(['a red circle'], 300)


@pytest.mark.parametrize('caption, phrase', FOREIGN)
def test_spans_of_any_letters_go_from_the_file_through_the_tokens_to_the_phrase(tmp_path, tokenizer, caption, phrase):
    begin = caption.index(phrase)
    span = [begin, begin + len(phrase)]
    cv2.imwrite(str(tmp_path / '1.png'), np.zeros((80, 100, 3), np.uint8))
    written = write_grounding(tmp_path, row(tokens_positive=[span]),
                              images=(image(caption=caption, tokens_positive_eval=[[span]]), ))
    sample = MDETRDataset(pipeline=PACK, **written)[0]['data_samples']
    assert sample.text == caption and sample.gt_instances.tokens_positive == [[span]]
    assert list(grounding_problems(json.loads((tmp_path / 'ann.json').read_text()),
                                   offsets=lambda text: tokenize(tokenizer, [text]).offsets[0])) == []
    offsets = tokenize(tokenizer, [caption]).offsets
    chosen = positive_map(offsets[0], sample.gt_instances.tokens_positive)  # (1, 256)
    assert {char for column in chosen[0].nonzero() for char in range(*offsets[0][column])} == set(range(*span))
    phrases, = grounded_phrases(chosen[None] / chosen.sum(), offsets, [caption])
    assert phrases.phrases == [phrase] and phrases.spans == [[span]]


def test_an_empty_caption_and_a_span_on_a_space_are_kept_and_reported(tmp_path):
    written = write_grounding(tmp_path, row(1, tokens_positive=[[3, 4]]), images=(image(1), image(2, caption='')))
    dataset = MDETRDataset(**written)
    assert dataset[0]['gt_tokens_positive'] == [[[3, 4]]] and dataset[1]['text'] == ''
    problems = [problem.kind for problem in grounding_problems(json.loads((tmp_path / 'ann.json').read_text()))]
    assert problems == ['span on spaces', 'caption missing']


@pytest.mark.parametrize('wrong, message', [
    (dict(data_source=['x']), r"row 0 of images \(id 1\): data_source should be a text, got \['x'\]"),
    (dict(tokens_positive_eval=None), r'row 0 of images \(id 1\): tokens_positive_eval should be a list, got None'),
    (dict(width='wide'), r"row 0 of images \(id 1\): width should be a positive whole number of pixels, got 'wide'"),
])
def test_fields_that_only_grounding_files_have_are_named(tmp_path, wrong, message):
    with pytest.raises(ValueError, match=f'ann.json: {message}'):
        MDETRDataset(**write_grounding(tmp_path, images=(image(**wrong), )))


@pytest.mark.parametrize('spans, message', [
    (5, 'has neither tokens_positive nor tokens'), ([['0', '5']], r"\['0', '5'\] is not a span"),
    ([[0, 5, 9]], r'\[0, 5, 9\] is not a span'), ([[True, 5]], 'is not a span'), ([[[0, 5]]], 'is not a span')
])
def test_spans_that_are_none_are_named(tmp_path, spans, message):
    with pytest.raises(ValueError, match=f'image 1, annotation 1.*{message}'):
        MDETRDataset(**write_grounding(tmp_path, row(tokens_positive=spans)))


def test_phrases_to_evaluate_that_are_no_lists_are_named(tmp_path):
    with pytest.raises(ValueError, match=r'image 1, tokens_positive_eval 1: 5 is not a list of spans'):
        MDETRDataset(**write_grounding(tmp_path, images=(image(tokens_positive_eval=[[[0, 3]], 5]), )))


def test_a_phrase_without_boxes_stays_in_the_data_set_and_is_an_error_of_the_metric(tmp_path):
    written = write_grounding(tmp_path, row(), images=(image(tokens_positive_eval=[[[0, 14]], [[26, 39]]]), ))
    assert MDETRDataset(**written)[0]['tokens_positive_eval'] == [[[0, 14]], [[26, 39]]]
    with pytest.raises(ValueError, match=r'no annotation of image 1 has a span of the phrase \[\[26, 39\]\]'):
        METRICS.build(dict(type='PhraseGroundingMetric', ann_file=str(tmp_path / 'ann.json')))


def test_tokens_behind_column_255_are_not_those_of_a_long_caption(tokenizer):
    caption = 'x ' * 200  # each a token, and each space one
    offsets = tokenize(tokenizer, [caption]).offsets[0]
    assert len(offsets) > 256
    last = [[len(caption) - 2, len(caption) - 1]]
    assert not positive_map(offsets, [last]).any() and torch.equal(positive_map(offsets, [[[0, 1]]]).nonzero(),
                                                                  torch.tensor([[0, 1]]))
