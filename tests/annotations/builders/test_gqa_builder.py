"""GQA's questions as annotation files: spans, sizes, answers as numbers."""
import json
from collections import Counter
from itertools import chain
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from mmdet_ext.annotations.builders.gqa import (Question, gqa_pairs, object_spans, question_files, read_questions,
                                                read_scenes, write_vocabulary)
from mmdet_ext.annotations.builders.grounding_file import write_grounding
from mmdet_ext.models.dense_heads.answer_vocabulary import gqa_answers

BOXES = {'7': {'1': [1, 2, 3, 4], '2': [5, 6, 7, 8], '3': [0, 0, 9.5, 2]}}
SIZES = {'7': (30, 40)}


def question(text: str, words: dict | None = None, answers: dict | None = None, select: tuple = (), **fields) -> dict:
    return dict(imageId='7', question=text, answer='yes', types=dict(semantic='obj'),
                annotations=dict(question=words or {}, answer=answers or {}, fullAnswer={}),
                semantic=[dict(operation='select', argument=argument, dependencies=[]) for argument in select]) | fields


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def build(tmp_path):

    def run(questions: dict, sizes: dict = SIZES, **options) -> tuple[dict, Counter]:
        counts = Counter()
        rows = read_questions(write(tmp_path / 'q.json', questions))
        write_grounding(tmp_path / 'out.json', gqa_pairs(rows, BOXES, sizes, counts, **options), counts, ())
        return json.loads((tmp_path / 'out.json').read_text()), counts

    return run


def test_spans_of_one_object_are_united(build):
    content, counts = build({'a': question('Is the dog-like animal a dog?', {'5': '1', '2:4': '1', '3': '2'})})
    assert [row['tokens_positive'] for row in content['annotations']] == [[[7, 22], [25, 28]], [[16, 22]]]
    assert [row['bbox'] for row in content['annotations']] == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert counts['boxes'] == 2 and not counts['captions without boxes']


@pytest.mark.parametrize('text, span', [
    ('What is he holding?', [0, 4]), ("Who's that?", [0, 3]), ('In the whole image, where is it?', [20, 25]),
    ('Is it somewhat near what?', [20, 24]), ('The man who sees what?', [8, 11]), ('Which one is it?', None),
    ('Whose bag is it?', None)
])
def test_objects_of_answers_are_tied_to_the_first_question_word(text, span):
    counts = Counter()
    row = msgspec.convert(question(text, answers={'0': '1'}), Question)
    assert object_spans(row, counts, 'here') == ({'1': [span]} if span else {})
    assert counts.total() == 1


def test_objects_that_the_question_names_are_not_tied_to_the_question_word():
    row = question('What is the dog?', {'3': '1'}, {'0': '1', '1': '2', '2': '2'},
                   select=('What (3)', 'scene', 'cat (-)'))
    spans = object_spans(msgspec.convert(row, Question), Counter(), 'here')
    assert spans == {'1': [[12, 16]], '3': [[0, 4]], '2': [[0, 4]]}


def test_selected_objects_are_found_by_name_or_get_the_first_letters(build):
    row = question('Do the two dogs see it?', select=('dogs (1,2)', 'table (3)', 'man (99)', 'dogs (1)'))
    content, counts = build({'a': row})
    assert [row['tokens_positive'] for row in content['annotations']] == [[[11, 15]], [[11, 15]], [[0, 4]]]
    assert counts['objects found by name'] == 2 and counts['objects whose name does not occur'] == 2
    assert counts['left out: objects that are not in the scene graph'] == 1
    assert content['annotations'][2] == dict(area=19, iscrowd=0, category_id=1, bbox=[0, 0, 9.5, 2],
                                             tokens_positive=[[0, 4]], image_id=0, id=2)


def test_test_splits_have_neither_answers_nor_boxes(build):
    content, counts = build({'a': dict(imageId='7', question='Is it red?', isBalanced=True)})
    image, = content['images']
    assert image['questionId'] == 'a' and 'answer' not in image and 'question_type' not in image
    assert counts == Counter({'captions': 1, 'boxes': 0, 'captions without boxes': 1})


def test_pre_training_files_hold_no_answers(build):
    content, _ = build({'a': question('Is the dog red?', {'2': '1'})}, form='pretrain')
    assert sorted(content['images'][0]) == ['caption', 'dataset_name', 'file_name', 'height', 'id', 'original_id',
                                            'tokens_negative', 'width']
    assert len(content['annotations']) == 1


def test_sizes_come_from_lists_scene_graphs_or_image_files(build, tmp_path):
    Image.new('RGB', (11, 12)).save(tmp_path / '8.jpg')
    rows = {str(number): question('Is it?', imageId=key) for number, key in enumerate('78')}
    content, _ = build(rows, images=tmp_path)
    assert [(image['height'], image['width']) for image in content['images']] == [(30, 40), (12, 11)]
    with pytest.raises(ValueError, match='question a: there is no size of image 6'):
        build({'a': question('Is it?', imageId='6')})
    with pytest.raises(ValueError, match='the size of .*6.jpg cannot be read'):
        build({'a': question('Is it?', imageId='6')}, images=tmp_path)


def test_several_files_give_what_one_file_gives(tmp_path):
    rows = {f'q{number}': question(f'Is the dog {number}?', {'2': '1'} if number % 2 else {}) for number in range(7)}
    items = list(rows.items())
    files = [write(tmp_path / f'part_{number}.json', dict(part))
             for number, part in enumerate([items[:2], [], items[2:3], items[3:]])]
    counts, at_once = Counter(), Counter()
    questions = chain.from_iterable(map(read_questions, files))
    write_grounding(tmp_path / 'a.json', gqa_pairs(questions, BOXES, SIZES, counts), counts, ())
    questions = read_questions(write(tmp_path / 'joined.json', rows))
    write_grounding(tmp_path / 'b.json', gqa_pairs(questions, BOXES, SIZES, at_once), at_once, ())
    assert counts == at_once
    assert (tmp_path / 'a.json').read_bytes() == (tmp_path / 'b.json').read_bytes()
    content = json.loads((tmp_path / 'a.json').read_text())
    assert [image['id'] for image in content['images']] == list(range(7)) and content['categories'] == []
    assert [(row['id'], row['image_id']) for row in content['annotations']] == [(0, 1), (1, 3), (2, 5)]


def test_question_files_are_found_by_their_names(tmp_path):
    for place in (10, 0, 9):
        write(tmp_path / 'train_all_questions' / f'train_all_questions_{place}.json', {})
    write(tmp_path / 'val_balanced_questions.json', {})
    names = [path.name[-7:] for path in question_files(tmp_path, 'train', 'all')]
    assert names == ['_0.json', '_9.json', '10.json'] and len(question_files(tmp_path, 'val', 'balanced')) == 1
    with pytest.raises(ValueError, match='no test_all_questions.json, and no folder test_all_questions'):
        question_files(tmp_path, 'test', 'all')


@pytest.mark.parametrize('change, message', [
    (dict(question=None), 'question: Expected str, got null, got None'),
    (dict(imageId=7), 'imageId: Expected str, got int, got 7'),
    (dict(answer=True), 'answer: Expected str, got bool, got True'),
    (dict(types={}), 'types: Object missing required field semantic'),
    (dict(semantic=['select']), r"semantic\[0\]: Expected object, got str, got 'select'"),
    (dict(annotations=dict(question={'0': 3})), r"annotations.question.*: Expected str, got int, got .*'0': 3"),
])
def test_a_broken_question_is_an_error_that_names_it(build, tmp_path, change, message):
    with pytest.raises(ValueError, match=f'q.json: question second.*{message}'):
        build({'first': question('Is it?'), 'second': question('Is it?') | change})
    assert not (tmp_path / 'out.json').exists()


@pytest.mark.parametrize('content, message', [
    ({'7': dict(objects={'1': dict(x=1, y=2, w=3)})}, 'image 7, object 1: Object missing required field h'),
    ({'7': dict(objects=[])}, r'image 7: objects: Expected object, got array, got \[\]'),
    ({'7': dict(objects={}, width=0, height=5)}, r'image 7: width: Expected int >= 1, got 0'),
])
def test_broken_scene_graphs_are_an_error_that_names_the_object(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        read_scenes(write(tmp_path / 'graphs.json', content))


def test_answers_get_numbers_that_the_answer_head_reads(tmp_path):
    rows = [('yes', 'obj'), ('no', 'obj'), ('red', 'attr'), ('left', 'rel'), ('red', 'rel'), ('left', 'rel'),
            ('day', 'global'), ('cat', 'cat'), ('unknown', 'cat')]
    file = write(tmp_path / 'q.json', {str(place): question('?', answer=answer, types=dict(semantic=kind))
                                       for place, (answer, kind) in enumerate(rows)})

    total, by_type = write_vocabulary(read_questions(file), tmp_path)
    assert by_type['answer_rel'] == {'left': 0, 'red': 1, 'unknown': 2}
    assert by_type['answer_cat'] == {'cat': 0, 'unknown': 1}
    assert total == {name: number for number, name in
                                enumerate(['cat', 'day', 'left', 'no', 'red', 'yes', 'unknown'])}
    total, by_type = (tmp_path / name for name in ('gqa_answer2id.json', 'gqa_answer2id_by_type.json'))
    sizes = {'obj': 3, 'attr': 2, 'rel': 3, 'cat': 2, 'global': 2}
    assert gqa_answers(by_type, sizes)['obj'] == dict(no=0, yes=1, unknown=2)
    assert gqa_answers(total, dict(total=7))['total']['unknown'] == 6
    _, by_type = write_vocabulary(read_questions(file), tmp_path, min_count=2)
    assert by_type['answer_rel'] == {'left': 0, 'unknown': 1}
    for row, message in [(question('?') | dict(types=dict(semantic='x')), ": types.semantic: .* 'x'"),
                         (question('?') | dict(answer=None), ': answer'),
                         (dict(imageId='7', question='?'), ' has no answer, or no types')]:
        with pytest.raises(ValueError, match=f'question 5{message}'):
            write_vocabulary(read_questions(write(tmp_path / 'bad.json', {'5': row})), tmp_path)
