"""CLEVR's questions: programs, the words that name objects, boxes, and the files that are made of them."""
import json
from collections import Counter

import pytest
from mmengine.registry import init_default_scope

from clevr_files import BOXES, filtered, program, question, scene, unique, write
from mmdet_ext.annotations.builders.clevr.phrases import phrases_of
from mmdet_ext.annotations.builders.clevr.questions import clevr_pairs, read_questions
from mmdet_ext.annotations.builders.clevr.scenes import clevr_scenes, read_boxes, read_scenes
from mmdet_ext.annotations.builders.grounding_file import write_grounding
from mmdet_ext.datasets import ClevrDataset

LEFT_OF_GREEN = ('relate left', unique('green'))
QUESTIONS = {
    'a set': ('How many big things are there?', ('count', filtered('large')), '2',
              {0: ['big things'], 3: ['big things']}),
    'none': ('Are there any large spheres?', ('exist', filtered('large sphere')), 'no', {}),
    'one relation': ('What color is the cube left of the tiny shiny ball?',
                     ('query_color', unique('cube', ('relate left', unique('small metal sphere')))), 'red',
                     {0: ['cube'], 2: ['tiny shiny ball']}),
    'words before a semicolon': ('There is a tiny matte ball; how many objects are right of it?',
                                 ('count', ('relate right', unique('small rubber sphere'))), '2',
                                 {1: ['tiny matte ball'], 2: ['objects'], 3: ['objects']}),
    'three sets before a semicolon': (
        'There is a red sphere that is left of the large cylinder; what is the material of the sphere behind it?',
        ('query_material', unique('sphere', ('relate behind', unique('red sphere', (
            'relate left', unique('large cylinder')))))),
        'rubber', {1: ['sphere'], 2: ['red sphere'], 3: ['large cylinder']}),
    'the same attribute': ('Is there anything else that is the same color as the cube?',
                           ('exist', ('same_color', unique('cube'))), 'yes', {0: ['cube'], 2: ['anything']}),
    'both relations': ('What number of metal things are both right of the blue ball and left of the green cylinder?',
                       ('count', filtered('metal', ('intersect', ('relate right', unique('blue sphere')),
                                                 ('relate left', unique('green cylinder'))))), '1',
                       {1: ['blue ball'], 2: ['metal things'], 3: ['green cylinder']}),
    'either, with a noun of its own': ('How many objects are either blue spheres or large blocks?',
                                       ('count', ('union', filtered('blue sphere'), filtered('large cube'))), '2',
                                       {0: ['objects', 'large blocks'], 1: ['objects', 'blue spheres']}),
    'either, without': ('How many blue spheres or large blocks are there?',
                        ('count', ('union', filtered('blue sphere'), filtered('large cube'))), '2',
                        {0: ['large blocks'], 1: ['blue spheres']}),
    'numbers': ('Are there more metallic objects than cylinders?',
                ('greater_than', ('count', filtered('metal')), ('count', filtered('cylinder'))), 'yes',
                {0: ['metallic objects'], 2: ['metallic objects'], 3: ['cylinders']}),
    'attributes of two': ('There is a ball left of the red sphere; does it have the same size as the cylinder?',
                          ('equal_size', ('query_size', unique('sphere', ('relate left', unique('red sphere')))),
                           ('query_size', unique('cylinder'))), 'no',
                          {1: ['ball'], 2: ['red sphere'], 3: ['cylinder']}),
    'words in another order': ('Left of the green cylinder, how many cubes are there?',
                               ('count', filtered('cube', ('relate left', unique('green cylinder')))), '1',
                               {0: ['cubes'], 3: ['green cylinder']}),
}


@pytest.fixture
def build(tmp_path):
    """Make a file of questions; returns it and the counts."""

    def run(questions: list[dict], own_scene: dict | None = None, boxes: object = (BOXES, ), key: str = 'questions',
            **options) -> tuple:
        source = write(tmp_path / 'questions.json', {'info': {'a': [1]}, key: questions})
        scenes = write(tmp_path / 'scenes.json', dict(info={}, scenes=[own_scene or scene()]))
        table = None
        if boxes is not None:
            of_image = boxes[0] if isinstance(boxes, tuple) else boxes
            table = read_boxes(write(tmp_path / 'boxes.json', {'CLEVR_train_000003.png': of_image}))
        counts = Counter()
        pairs = clevr_pairs(read_questions(source), clevr_scenes(read_scenes(scenes), table), counts, **options)
        write_grounding(tmp_path / 'out.json', pairs, counts)
        return json.loads((tmp_path / 'out.json').read_text()), counts

    return run


def words(content: dict) -> dict[int, list[str]]:
    """The words of each object, known by its box, of the only question."""
    caption = content['images'][0]['caption']
    return {BOXES.index(row['bbox']): [caption[begin:end] for begin, end in row['tokens']]
            for row in content['annotations']}


@pytest.mark.parametrize('name', QUESTIONS)
def test_objects_get_the_words_that_name_them(build, name):
    text, expression, answer, wanted = QUESTIONS[name]
    content, _ = build([question(text, expression, answer)])
    assert words(content) == wanted


def test_equal_words_are_told_apart_by_their_order(build):
    cubes = ('filter_shape sphere', ('relate right', unique('blue sphere')))
    content, _ = build([question('How many spheres are right of the blue ball?', ('count', cubes), '1')])
    assert words(content) == {1: ['blue ball'], 2: ['spheres']}
    last = ('count', ('relate left', ('unique', filtered('small', ('relate right', unique('small rubber'))))))
    text = 'How many things are left of the small thing that is right of the small matte thing?'
    content, _ = build([question(text, last, '2')])
    assert words(content) == {0: ['things'], 1: ['things', 'small matte thing'], 2: ['small thing']}
    text = 'There is a small thing that is right of the small matte thing; how many things are left of it?'
    content, _ = build([question(text, last, '2')])
    assert words(content) == {0: ['things'], 1: ['small matte thing', 'things'], 2: ['small thing']}
    # both phrases read the same: the order alone decides
    same = ('exist', filtered('sphere', ('relate behind', unique('sphere', ('relate front', unique('small blue'))))))
    text = 'Is there a ball behind the ball that is in front of the small blue thing?'
    content, _ = build([question(text, same, 'yes')])
    assert words(content) == {1: ['ball', 'small blue thing'], 2: ['ball']}
    assert [row['tokens'][0][0] for row in content['annotations']] == [11, 27]
    content, _ = build([question('There is a ball that is in front of the small blue thing; is there a ball behind it?',
                                 same, 'yes')])
    assert {BOXES.index(row['bbox']): row['tokens'][-1][0] for row in content['annotations']} == {1: 69, 2: 11}


def test_phrases_are_adjectives_and_a_noun():
    text = 'Is the Big shiny red block, or thing(s), made of metal the same shape as the objects or anything?'
    phrases = phrases_of(text)
    texts = [text[slice(*phrase.span)] for phrase in phrases]
    assert texts == ['Big shiny red block', 'thing(s)', 'objects', 'anything']
    assert phrases[0].attributes == {'large', 'metal', 'red', 'cube'} and not phrases[1].attributes


def test_a_question_whose_words_say_something_else_has_no_boxes_and_is_counted(build):
    rows = [question('How many red things are there?', ('count', filtered('blue')), '1'),
            question('How many blue things are there?', ('count', filtered('blue')), '1', index=7)]
    content, counts = build(rows)
    assert [image['question_id'] for image in content['images']] == [0, 7]
    assert {row['image_id'] for row in content['annotations']} == {content['images'][1]['id']}
    assert counts['kept without boxes: words that do not follow the program'] == 1 and counts['captions'] == 2
    content, counts = build(rows, medium=True)
    assert [image['question_id'] for image in content['images']] == [7]
    assert counts['left out: words that do not follow the program'] == 1


def test_the_medium_set_names_no_object_twice(build):
    names = list(QUESTIONS)
    rows = [question(*QUESTIONS[name][:3], index=index) for index, name in enumerate(names)]
    everything, _ = build(rows)
    medium, counts = build(rows, medium=True)
    assert len(everything['images']) == len(names)
    kept = {image['question_id'] for image in medium['images']}
    assert set(range(len(names))) - kept == {names.index('either, with a noun of its own')}
    assert counts['left out: an object is named twice'] == 1
    assert all(len(row['tokens']) == 1 for row in medium['annotations'])


def test_boxes_of_relations_go_to_the_objects_in_their_middle(build):

    def end(number: int) -> dict:
        x, y, w, h = BOXES[number]
        return dict(category=0, bbox=[y, y + h, x, x + w])

    relations = [dict(predicate=0, subject=end(3), object=end(0)), dict(predicate=1, subject=end(0), object=end(1))]
    content, counts = build([question('How many things are there?', ('count', ('scene', )), '4')], boxes=relations)
    assert words(content) == {number: ['things'] for number in (0, 1, 3)}
    assert counts['left out: objects without a box'] == 1


@pytest.mark.parametrize('first', [0, 1])
def test_expressions_of_clevr_ref_say_what_they_refer_to(build, first):
    of_scene = scene() | dict(obj_bbox={str(first + number): box for number, box in enumerate(BOXES)})
    steps = program(filtered('sphere', LEFT_OF_GREEN))
    row = dict(image_index=3, image_filename='CLEVR_train_000003.png', program=steps,
               refexp='The ball(s) that are on the left side of the green object(s)')
    content, _ = build([row], of_scene, boxes=None, key='refexps')
    assert words(content) == {1: ['ball(s)'], 2: ['ball(s)'], 3: ['green object(s)']}
    assert [row['isfinal'] for row in content['annotations']] == [1, 1, 0]
    row['program'].append(dict(type='filter_ordinal', inputs=[len(steps) - 1], side_inputs=['second', 'left']))
    content, counts = build([row], of_scene, boxes=None, key='refexps')
    assert not content['images'] and counts['left out: programs with functions that CLEVR does not have'] == 1


def test_the_data_set_reads_what_was_written(build, tmp_path):
    init_default_scope('mmdet')
    build([question(*QUESTIONS['one relation'][:3], index=5), question(*QUESTIONS['none'][:3], index=6)])
    data = ClevrDataset(ann_file=str(tmp_path / 'out.json'), data_prefix=dict(img='images/'), pipeline=[])
    first, second = (data.get_data_info(place) for place in range(2))
    assert (first['question_id'], first['answer'], first['question_type'], first['question_kind']) == (
        5, 'red', 'attr', 'query_attribute')
    assert first['gt_tokens_positive'] == [[[18, 22]], [[35, 50]]] and (first['width'], first['height']) == (480, 320)
    assert second['question_type'] == 'binary' and not second['instances']


def test_questions_without_programs_need_no_scene(tmp_path):
    row = dict(image_index=0, image_filename='CLEVR_test_000000.png', question='Is it red?', question_index=0)
    source = write(tmp_path / 'questions.json', dict(questions=[row]))
    counts = Counter()
    (image, boxes), = clevr_pairs(read_questions(source), {}, counts, size=(240, 160))
    assert boxes == []
    assert 'answer' not in image and (image['width'], image['height']) == (240, 160)
    assert counts['captions without program'] == 1


ROW = question('How many blue things are there?', ('count', filtered('blue')), '1')


@pytest.mark.parametrize('change, message', [
    (dict(answer='2'), r"questions.json: questions? 0: the answer is '2', and its program gives '1'"),
    (dict(answer=1), r'questions.json: question 0: answer: Expected str \| null, got int, got 1'),
    (dict(question=None), 'question 0: question: Expected str, got null, got None'),
    (dict(image_index=8), 'no scene with its image_index 8'),
    (dict(program=[]), r'question 0: program: Expected array of length >= 1, got \[\]'),
    (dict(program=[dict(function='count', inputs=[0])]), r'step 0 of the program, count, should have inputs .* \[0\]'),
    (dict(program=[dict(inputs=[])]), r'question 0: program\[0\]: A step .* should have a function, got {.inputs'),
    (dict(program=program(('count', ('relate above', unique('blue'))))), "one of the sides .*, got 'above'"),
    (dict(program=program(('query_size', unique('red')))), 'needs one object, and 2 fit'),
    (dict(program=program(('greater_than', ('count', ('scene', ))))), 'greater_than, does not fit its inputs'),
])
def test_a_broken_question_is_an_error_that_names_it(build, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        build([ROW | change])
    assert not (tmp_path / 'out.json').exists()


@pytest.mark.parametrize('boxes, message', [
    (None, 'there are no boxes for it: give a file'),
    (BOXES[:2], 'there are 2 boxes and 4 objects'),
    ([*BOXES[:3], [1, 2, 3]], r'boxes.json: image CLEVR_train_000003.png: \[3\]: Expected array of length 4'),
    ([dict(subject=dict(bbox=[0, 1, 2, 3]))],
     r'boxes.json: image CLEVR_train_000003.png: \[0\]: Object missing required field object'),
])
def test_broken_boxes_are_an_error_that_names_scene_and_object(build, boxes, message):
    with pytest.raises(ValueError, match=message):
        build([ROW], boxes=boxes)
