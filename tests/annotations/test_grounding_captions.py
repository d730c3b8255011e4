"""Captions that count the boxes of a COCO file, and their English."""
import json

import pytest
from coco_files import annotation

from mmdet_ext.annotations.coco_captions import clean_name, coco_to_grounding, counting_caption
from mmdet_ext.text.wording import article, number_word, plural

PLURALS = {'person': 'people', 'bus': 'buses', 'traffic light': 'traffic lights', 'bench': 'benches',
    'sheep': 'sheep', 'skis': 'skis', 'wine glass': 'wine glasses', 'knife': 'knives', 'mouse': 'mice',
    'sandwich': 'sandwiches', 'broccoli': 'broccoli', 'couch': 'couches', 'scissors': 'scissors',
    'toothbrush': 'toothbrushes', 'hair drier': 'hair driers', 'giraffe': 'giraffes', 'tie': 'ties',
    'fire hydrant': 'fire hydrants', 'potted plant': 'potted plants', 'toy': 'toys',
    'strawberry': 'strawberries', 'fireman': 'firemen', 'human': 'humans', 'box': 'boxes',
    'steering wheel': 'steering wheels',}


def coco(*rows, sizes=((100, 80), ), names=('person', 'dog', 'skis', 'orange')) -> dict:
    return dict(
        images=[dict(id=i, file_name=f'{i}.jpg', width=w, height=h) for i, (w, h) in enumerate(sizes, 1)],
        annotations=[dict(id=i, **row) for i, row in enumerate(rows, 1)],
        categories=[dict(id=i, name=name) for i, name in enumerate(names, 1)])


@pytest.mark.parametrize('singular, several', PLURALS.items())
def test_plurals(singular, several):
    assert plural(singular) == several


def test_numbers_and_articles():
    assert [number_word(count) for count in (1, 12, 20, 21, 99, 100)] == ['one', 'twelve', 'twenty', 'twenty-one',
                                                                         'ninety-nine', '100']
    assert [article(name) for name in ('umbrella', 'uniform', 'orange', 'one-way sign', 'dog', 'hourglass')] == [
        'an', 'a', 'an', 'a', 'a', 'an']


@pytest.mark.parametrize('counts, text', [
    ([('person', 1)], 'a person'),
    ([('person', 1), ('dog', 2)], 'a person and two dogs'),
    ([('person', 1), ('dog', 2), ('car', 1)], 'a person, two dogs and a car'),
    ([('skis', 1), ('scissors', 3)], 'a pair of skis and three pairs of scissors'),
    ([], 'nothing'),
])
def test_captions_by_hand(counts, text):
    caption, spans = counting_caption(counts)
    assert caption == text
    assert [caption[begin:end] for begin, end in spans] == [part for part in text.replace(' and ', ', ').split(', ')
                                                            if counts]


def test_boxes_are_tied_to_the_words_of_their_class_in_the_order_of_the_categories():
    rows = (annotation(category_id=4), annotation(category_id=2), annotation(category_id=4, bbox=(0, 0, 5, 5)),
            annotation(image_id=2, category_id=1))
    content = coco_to_grounding(coco(*rows, sizes=((100, 80), (50, 60), (70, 70))), 'mine').content
    first, second, third = content['images']
    assert [image['caption'] for image in content['images']] == ['a dog and two oranges', 'a person', 'nothing']
    assert [row['tokens_positive'] for row in content['annotations']] == [[[10, 21]], [[0, 5]], [[10, 21]], [[0, 8]]]
    assert first['tokens_positive_eval'] == [[[0, 5]], [[10, 21]]] and third['tokens_positive_eval'] == []
    assert (second['id'], second['width'], second['height'], second['dataset_name']) == (2, 50, 60, 'mine')
    assert content['annotations'][0] | dict(tokens_positive=0) == dict(
        id=1, image_id=1, category_id=1, bbox=[10, 20, 30, 40], area=1200, iscrowd=0, tokens_positive=0)


def test_crowds_and_boxes_outside_are_neither_counted_nor_kept():
    rows = (annotation(category_id=2), annotation(category_id=2, iscrowd=1),
            annotation(category_id=2, bbox=(200, 0, 5, 5)), annotation(category_id=1, bbox=(1, 1, 0, 5)))
    content, bad = coco_to_grounding(coco(*rows))
    assert content['images'][0]['caption'] == 'a dog' and [row['id'] for row in content['annotations']] == [1]
    assert [row.annotation for row in bad] == [3, 4]


def test_the_order_of_the_annotations_does_not_change_the_caption():
    rows = [annotation(category_id=id_) for id_ in (3, 1, 2, 1)]
    captions = {coco_to_grounding(coco(*order)).content['images'][0]['caption'] for order in (rows, rows[::-1])}
    assert captions == {'two people, a dog and a pair of skis'}


def test_names_of_lvis_are_cleaned():
    assert [clean_name(name) for name in ('flip-flop_(sandal)', 'aerosol_can', 'dog')] == ['flip-flop', 'aerosol can',
                                                                                         'dog']


def test_every_phrase_of_coco128_has_as_many_boxes_as_its_number_says(coco128):
    counts_by_word = {number_word(count): count for count in range(1, 100)} | dict(a=1, an=1)
    source = json.loads((coco128 / 'annotations' / 'instances_val2017.json').read_text())
    content, bad = coco_to_grounding(source)
    assert not bad and len(content['annotations']) == len(source['annotations'])
    spans = {}
    for row in content['annotations']:
        spans.setdefault(row['image_id'], []).extend(row['tokens_positive'])
    for image in content['images']:
        for ((begin, end), ) in image['tokens_positive_eval']:
            number = counts_by_word[image['caption'][begin:end].split()[0]]
            assert spans[image['id']].count([begin, end]) == number
