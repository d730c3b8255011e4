"""What MDETRDataset, the metrics and the tokens make of input that is wrong, empty, too long or not Latin."""
import json

import cv2
import numpy as np
import pytest
import torch
from grounding_files import image, row, write_grounding
from mmdet.registry import METRICS

from mmdet_ext.datasets import MDETRDataset
from mmdet_ext.datasets.grounding_checks import check_tables, grounding_problems
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
    found, = grounded_phrases(chosen[None] / chosen.sum(), offsets, [caption])
    assert found.phrases == [phrase] and found.spans == [[span]]


def test_an_empty_caption_and_a_span_on_a_space_are_kept_and_reported(tmp_path):
    written = write_grounding(tmp_path, row(1, tokens_positive=[[3, 4]]), images=(image(1), image(2, caption='')))
    dataset = MDETRDataset(**written)
    assert dataset[0]['gt_tokens_positive'] == [[[3, 4]]] and dataset[1]['text'] == ''
    problems = [problem.kind for problem in grounding_problems(json.loads((tmp_path / 'ann.json').read_text()))]
    assert problems == ['span on spaces', 'caption missing']


def test_annotations_of_pictures_that_are_not_there_are_told(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr('mmdet_ext.datasets.mdetr_dataset.print_log', lambda message, **_: said.append(message))
    dataset = MDETRDataset(**write_grounding(tmp_path, row(1), row(7, image_id='1')))
    assert len(dataset[0]['instances']) == 1
    assert [text.split('ann.json: ')[1] for text in said] == [
        "1 annotations of images that are not in the file are left out. The first: annotation 7 of image '1'"]


@pytest.mark.parametrize('wrong, message', [
    (dict(annotations=None), 'annotations should be a list, got None'),
    (dict(annotations='none'), "annotations should be a list, got 'none'"),
    (dict(annotations=[5]), 'row 0 of annotations should be an object with fields, got 5'),
    (dict(images=['a.png']), "row 0 of images should be an object with fields, got 'a.png'"),
    (dict(images=dict(a=1)), "'images' is missing or empty"),
    (dict(images=[image(id_=[1])]), r'id of \[1\] of images should be a number or a text, got \[1\]'),
    (dict(images=[image(file_name=7)]), 'file_name of 1 of images should be a text, got 7'),
    (dict(images=[image(data_source=['x'])]), r"data_source of 1 of images should be a text, got \['x'\]"),
    (dict(images=[image(tokens_positive_eval=None)]), 'tokens_positive_eval of 1 of images should be a list, got None'),
    (dict(annotations=[row(4, image_id=[1])]), r'image_id of 4 of annotations should be a number or a text, got \[1\]'),
    (dict(annotations=[row(4, iscrowd='no')]), "iscrowd of 4 of annotations should be a whole number, got 'no'"),
])
def test_fields_of_a_wrong_kind_are_named(tmp_path, wrong, message):
    content = dict(dict(images=[image()], annotations=[row()]), **wrong)
    with pytest.raises(ValueError, match=f'ann.json: {message}'):
        check_tables(content, 'ann.json')
    (tmp_path / 'ann.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f'ann.json: {message}'):
        MDETRDataset(ann_file=str(tmp_path / 'ann.json'), data_prefix=dict(img=''))


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


@pytest.mark.parametrize('metric', ['PhraseGroundingMetric', 'ReferringMetric'])
@pytest.mark.parametrize('bbox', [[1, 2, 3], ['1', '2', '3', '4'], None, [1, 2, float('nan'), 4]])
def test_a_box_that_is_not_four_numbers_is_an_error_of_the_metrics(tmp_path, metric, bbox):
    write_grounding(tmp_path, row(3, bbox=bbox), images=(image(tokens_positive_eval=[[[0, 14]]]), ))
    with pytest.raises(ValueError, match='ann.json: annotation 3 of image 1: bbox .* is not four numbers'):
        METRICS.build(dict(type=metric, ann_file=str(tmp_path / 'ann.json')))


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
