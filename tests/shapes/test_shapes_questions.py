"""Questions of Shapes, answered by an evaluator that parses them and knows nothing of their writer."""
import json
import re
from collections import Counter, defaultdict
from zlib import crc32

import pytest
from test_shapes_captions import CONFIG, NOUNS, RELATIONS, evaluate_reference, files_of, gap, rows_of

from mmdet_ext.datasets import ClevrDataset
from mmdet_ext.evaluation import blind_accuracy
from mmdet_ext.shapes import COLORS, SHAPE_CLASSES, SIZES, make_shapes, sample_scene, to_coco, to_questions

COUNT = 300
SCREENS = ((160, 160), (208, 160), (160, 208))
YES_NO = {True: 'yes', False: 'no'}


@pytest.fixture(scope='module')
def scenes():
    return [sample_scene(5, 'train', image_id, SCREENS, empty=0.03) for image_id in range(1, COUNT + 1)]


@pytest.fixture(scope='module')
def coco(scenes):
    return to_coco(scenes)


@pytest.fixture(scope='module')
def questions(scenes, coco):
    return to_questions(scenes, coco, 5, 'train')


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp('questions') / 'made'
    make_shapes(out, CONFIG)
    return out


# ---- the evaluator: what a scene answers

def fitting(scene, words):
    """'small red circles' -> all of them."""
    *looks, noun = words.split()
    size = looks.pop(0) if looks and looks[0] in SIZES else None
    color = looks.pop(0) if looks else None
    assert color in (None, *COLORS)
    return [obj for obj in scene.objects
            if size in (None, obj.size) and color in (None, obj.color) and NOUNS[noun] in (None, obj.shape)]


def fitting_there(scene, words, relation, landmark):
    """Those of them beside a landmark: clearly there, or not at all."""
    objects = fitting(scene, words)
    if not relation:
        return [objects]
    (beside, ) = evaluate_reference(scene, landmark)[0]
    gaps = [(obj, gap(scene, obj, beside, RELATIONS[relation])) for obj in objects if obj is not beside]
    assert all(distance > 1 or distance <= 0 for _, distance in gaps)
    return [[obj for obj, distance in gaps if distance > 0], [beside]]


def answer(scene, text):
    """(kind, answer, the objects of every name in the order of the text)."""
    place = '(?: (left of|right of|above|below) (.*))?'
    if match := re.fullmatch(rf'is there (a|an) (.*?){place}\?', text):
        assert (match[1] == 'an') == (match[2][0] in 'aeiou')
        names = fitting_there(scene, *match.groups()[1:])
        return 'exist', YES_NO[bool(names[0])], names
    if match := re.fullmatch(rf'how many (.*?) are(?: there|{place})\?', text):
        names = fitting_there(scene, *match.groups())
        return 'count', str(len(names[0])), names
    if match := re.fullmatch(r'are there (more|fewer|as many) (.*) (?:than|as) (.*)\?', text):
        names = [fitting(scene, match[2]), fitting(scene, match[3])]
        first, second = map(len, names)
        true = dict(more=first > second, fewer=first < second).get(match[1], first == second)
        return 'compare_number', YES_NO[true], names
    if match := re.fullmatch(r'what (colour|shape|size) is (.*)\?', text):
        names = evaluate_reference(scene, match[2])
        (target, ) = names[0]
        return 'query_attribute', attribute(target, match[1]), names
    match = re.fullmatch(r'are (.*) and (.*) of the same (colour|shape|size)\?', text)
    names = [evaluate_reference(scene, match[1]), evaluate_reference(scene, match[2])]
    (first, ), (second, ) = names[0][0], names[1][0]
    assert first is not second and len(names[0]) == 1
    same = attribute(first, match[3]) == attribute(second, match[3])
    return 'compare_attribute', YES_NO[same], [*names[0], *names[1]]


def attribute(obj, word):
    return getattr(obj, word.replace('colour', 'color'))


def head_of(text, word):
    """What stands before the place in each name, where an attribute that is asked for must not be said."""
    names = re.findall(r'(?:is|are|and) the (.*?)(?: left of| right of| above| below| and| of the same|\?)', text)
    values = dict(colour=COLORS, shape=SHAPE_CLASSES, size=SIZES)[word]
    return [value for name in names for value in name.split() if value in values]


# ---- answers and boxes

def test_the_scene_alone_gives_every_answer_and_all_boxes(scenes, questions):
    by_name = {scene.file_name: scene for scene in scenes}
    rows = rows_of(questions)
    for image in questions['images']:
        text = image['caption']
        kind, right, names = answer(by_name[image['file_name']], text)
        assert (image['question_kind'], image['answer']) == (kind, right), text
        assert image['question_type'] == dict(count='reg', query_attribute='attr').get(kind, 'binary')
        named = {obj.id: list(obj.box) for objects in names for obj in objects}
        assert sorted(row['bbox'] for row in rows[image['id']]) == sorted(named.values()), text
        for row in rows[image['id']]:
            for begin, end in row['tokens_positive']:
                assert text[begin:end].split()[-1] in NOUNS and text[end] in ' ?'


def test_every_span_names_its_box(scenes, questions):
    by_name = {scene.file_name: scene for scene in scenes}
    rows = rows_of(questions)
    for image in questions['images']:
        scene = by_name[image['file_name']]
        for row in rows[image['id']]:
            (obj, ) = [obj for obj in scene.objects if list(obj.box) == row['bbox']]
            for begin, end in row['tokens_positive']:
                words = re.sub('^(the|an|a) ((left|right|top|bottom)most )?', '', image['caption'][begin:end])
                assert obj in fitting(scene, words)


def test_an_attribute_that_is_asked_for_is_not_said(questions):
    for image in questions['images']:
        if image['question_kind'].endswith('_attribute'):
            word = re.search('what (colour|shape|size)|same (colour|shape|size)', image['caption'])
            assert head_of(image['caption'], word[1] or word[2]) == [], image['caption']


def test_what_the_landmark_is_called_is_not_asked_for(questions):
    """'is there a red circle left of the circle?' would be answered without a look: that circle is the only one."""
    for image in questions['images']:
        match = re.fullmatch(r'(?:is there an?|how many) (.*?) (?:are )?(?:left of|right of|above|below) the (.*)\?',
                             image['caption'])
        if match:
            asked = [NOUNS.get(word, word) for word in match[1].split()]
            said = [NOUNS.get(word, word) for word in match[2].split()]
            assert not set(said) - {None} <= set(asked), image['caption']


def test_images_have_four_to_six_different_questions(scenes, questions):
    texts = defaultdict(list)
    for image in questions['images']:
        texts[image['original_img_id']].append(image['caption'])
    objects = {scene.image_id: len(scene.objects) for scene in scenes}
    assert all(len(set(image_texts)) == len(image_texts) <= 6 for image_texts in texts.values())
    assert all(len(texts[id_]) >= 4 for id_, count in objects.items() if count > 1)
    assert all(len(texts[id_]) >= 3 for id_, count in objects.items() if count == 1)
    empty = [text for id_, count in objects.items() if not count for text in texts[id_]]
    assert empty and all(text.startswith('how many') for text in empty)


def test_each_form_and_each_word_occurs(questions):
    text = ' '.join(image['caption'] for image in questions['images'])
    forms = ('is there a', 'is there an', 'how many', 'are there more', 'are there fewer', 'are there as many',
             'what colour', 'what shape', 'what size', 'the same colour', 'the same shape', 'the same size',
             *COLORS, *SHAPE_CLASSES, *SIZES, *RELATIONS, 'leftmost', 'rightmost', 'topmost', 'bottommost')
    assert [form for form in forms if form not in text] == []


def test_the_ids_and_fields_of_the_file_are_these(questions):
    for table in ('images', 'annotations'):
        assert [row['id'] for row in questions[table]] == list(range(1, len(questions[table]) + 1))
    for image in questions['images']:
        assert image['question_id'] == image['id'] and image['dataset_name'] == 'shapes_questions'


# ---- a question does not tell its answer

def test_answers_are_even(questions):
    counts = defaultdict(Counter)
    for image in questions['images']:
        word = re.match('what (colour|shape|size)', image['caption'])
        counts[word[1] if word else image['question_kind']][image['answer']] += 1
    for kind in ('exist', 'compare_number', 'compare_attribute'):
        assert abs(counts[kind]['yes'] / counts[kind].total() - 0.5) < 0.06
    for kind, values in dict(colour=COLORS, shape=SHAPE_CLASSES, size=SIZES).items():
        assert set(counts[kind]) == set(values)
        assert max(counts[kind].values()) < 2.2 * counts[kind].total() / len(values)
    assert max(counts['count'].values()) < 0.36 * counts['count'].total() and set(counts['count']) >= set('01234567')


def test_the_words_of_a_question_hardly_tell_its_answer(tmp_path, scenes, coco, questions):
    others = [sample_scene(5, 'val', image_id, SCREENS) for image_id in range(1, 121)]
    for name, content in dict(train=questions, val=to_questions(others, to_coco(others), 5, 'val')).items():
        (tmp_path / f'{name}.json').write_text(json.dumps(content))
    accuracies = blind_accuracy(str(tmp_path / 'train.json'), str(tmp_path / 'val.json'))
    assert accuracies['accuracy'] < 0.48
    for kind in ('exist', 'compare_number', 'compare_attribute'):
        assert accuracies[f'accuracy_{kind}'] < 0.6
    assert accuracies['accuracy_count'] < 0.45 and accuracies['accuracy_query_attribute'] < 0.35


# ---- determinism and the folder

def test_an_images_questions_depend_on_seed_split_and_number_alone(scenes, coco, questions):
    fewer = scenes[:20]
    again = to_questions(fewer, coco, 5, 'train')
    assert again['images'] == questions['images'][:len(again['images'])]
    assert again['annotations'] == questions['annotations'][:len(again['annotations'])]
    assert to_questions(fewer, coco, 6, 'train') != again != to_questions(fewer, coco, 5, 'val')


def test_questions_are_these_on_every_machine(questions):
    # If this is meant to change, `folder.VERSION` has to go up.
    texts = [f'{image["caption"]} {image["answer"]}' for image in questions['images']]
    assert crc32('\n'.join(texts).encode()) == 0xa9dde5f3


def test_a_set_made_before_gets_the_questions_that_a_new_one_has(made, tmp_path):
    make_shapes(tmp_path / 'set', CONFIG)
    for path in (tmp_path / 'set').glob('annotations/questions_*'):
        path.unlink()
    report = make_shapes(tmp_path / 'set', CONFIG)
    assert report.kept and report.added == tuple(f'annotations/questions_{split}.json'
                                                 for split in ('train', 'val', 'test'))
    assert files_of(tmp_path / 'set') == files_of(made)


def test_the_data_set_reads_them(made):
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True),
                dict(type='PackGroundingInputs')]
    dataset = ClevrDataset(data_root=str(made), ann_file='annotations/questions_train.json',
                           data_prefix=dict(img='train'), pipeline=pipeline)
    content = json.loads((made / 'annotations/questions_train.json').read_text())
    for packed, image in zip(dataset, content['images'], strict=True):
        sample = packed['data_samples']
        assert len(sample.gt_instances.tokens_positive) == len(sample.gt_instances.bboxes)
        for key in ('question_id', 'question_type', 'question_kind', 'answer'):
            assert getattr(sample, key) == image[key]
