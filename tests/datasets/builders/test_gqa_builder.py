"""GQA's questions as annotation files: spans, sizes, parts that an interruption leaves, answers as numbers."""
import json
import os
from collections import Counter
from pathlib import Path

import pytest
from mmdet_ext.datasets.builders import gqa
from mmdet_ext.datasets.builders.gqa import Scene, Sources, build_gqa, question_files, read_scenes
from mmdet_ext.datasets.builders.gqa_spans import object_spans, word_span
from mmdet_ext.datasets.builders.gqa_vocabulary import gqa_vocabulary, write_vocabulary
from mmdet_ext.models.dense_heads.answer_vocabulary import gqa_answers
from PIL import Image

SCENES = {'7': Scene((30, 40), {'1': [1, 2, 3, 4], '2': [5, 6, 7, 8], '3': [0, 0, 9.5, 2]})}
SOURCES = Sources(SCENES, {})


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

    def run(questions: dict, sources: Sources = SOURCES, **options) -> tuple[dict, Counter]:
        counts = build_gqa([write(tmp_path / 'q.json', questions)], tmp_path / 'out.json', sources, **options)
        return json.loads((tmp_path / 'out.json').read_text()), counts

    return run


@pytest.mark.parametrize('words, text', [
    ('0', 'Is'), ('2', 'fire'), ('2:4', 'fire hydrant,'), ('1:3', 'the fire'), ('4:9', 'red?'), ('0:5', None)
])
def test_word_numbers_become_characters(words, text):
    caption = 'Is the fire hydrant, red?'
    begin, end = word_span(words, caption, 'here')
    assert caption[begin:end] == (text or caption)


@pytest.mark.parametrize('words', ['5', '5:6', '3:3', '3:2', '-1', '1:', 'a', '', '1,2'])
def test_words_that_are_not_there_are_an_error(words):
    with pytest.raises(ValueError, match=f"here: the annotated words .* 5 words .* got '{words}'"):
        word_span(words, 'Is the fire hydrant, red?', 'here')


def test_spans_of_one_object_are_united(build):
    content, counts = build({'a': question('Is the dog-like animal a dog?', {'5': '1', '2:4': '1', '3': '2'})})
    assert [row['tokens_positive'] for row in content['annotations']] == [[[7, 22], [25, 28]], [[16, 22]]]
    assert [row['bbox'] for row in content['annotations']] == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert counts['boxes'] == 2 and not counts['captions without boxes']


@pytest.mark.parametrize('text, span', [
    ('What is he holding?', [0, 4]), ("Who's that?", [0, 3]), ('In the whole picture, where is it?', [22, 27]),
    ('Is it somewhat near what?', [20, 24]), ('The man who sees what?', [8, 11]), ('Which one is it?', None),
    ('Whose bag is it?', None)
])
def test_objects_of_answers_are_tied_to_the_first_question_word(text, span):
    counts = Counter()
    assert object_spans(question(text, answers={'0': '1'}), text, counts, 'here') == ({'1': [span]} if span else {})
    assert counts.total() == 1


def test_objects_that_the_question_names_are_not_tied_to_the_question_word():
    row = question('What is the dog?', {'3': '1'}, {'0': '1', '1': '2', '2': '2'},
                   select=('What (3)', 'scene', 'cat (-)'))
    assert object_spans(row, row['question'], Counter(), 'here') == {'1': [[12, 16]], '3': [[0, 4]], '2': [[0, 4]]}


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


def test_sizes_come_from_lists_scene_graphs_or_pictures(build, tmp_path):
    Image.new('RGB', (11, 12)).save(tmp_path / '8.jpg')
    sources = Sources(SCENES, {'6': (1, 2)}, tmp_path)
    rows = {str(place): question('Is it?', imageId=key) for place, key in enumerate('678')}
    content, _ = build(rows, sources)
    assert [(image['height'], image['width']) for image in content['images']] == [(1, 2), (30, 40), (12, 11)]
    with pytest.raises(ValueError, match='question a: there is no size of picture 6'):
        build({'a': question('Is it?', imageId='6')})
    with pytest.raises(ValueError, match='the size of .*6.jpg cannot be read'):
        build({'a': question('Is it?', imageId='6')}, Sources(SCENES, {}, tmp_path))


def parts_of(folder: Path) -> list[Path]:
    rows = {f'q{place}': question(f'Is the dog {place}?', {'2': '1'} if place % 2 else {}) for place in range(7)}
    items = list(rows.items())
    return [write(folder / f'part_{place}.json', dict(own)) for place, own in
            enumerate([items[:2], [], items[2:3], items[3:]])]


def test_several_files_give_what_one_file_gives(tmp_path):
    files = parts_of(tmp_path)
    joined = write(tmp_path / 'joined.json', {key: value for path in files for key, value in
                                              json.loads(path.read_text()).items()})
    counts = build_gqa(files, tmp_path / 'a.json', SOURCES)
    assert counts == build_gqa([joined], tmp_path / 'b.json', SOURCES)
    assert (tmp_path / 'a.json').read_bytes() == (tmp_path / 'b.json').read_bytes()
    content = json.loads((tmp_path / 'a.json').read_text())
    assert [image['id'] for image in content['images']] == list(range(7)) and content['categories'] == []
    assert [(row['id'], row['image_id']) for row in content['annotations']] == [(0, 1), (1, 3), (2, 5)]
    assert sorted(path.name for path in tmp_path.glob('.*')) == []


def test_an_interrupted_run_goes_on_with_the_part_that_it_was_at(tmp_path, monkeypatch):
    files, out, asked = parts_of(tmp_path), tmp_path / 'out.json', []
    build_gqa(files, tmp_path / 'whole.json', SOURCES)
    original = gqa.question_pair

    def stops(key: str, *arguments, **options):
        asked.append(key)
        if key == stop:
            raise KeyboardInterrupt
        return original(key, *arguments, **options)

    monkeypatch.setattr(gqa, 'question_pair', stops)
    stop = 'q4'
    with pytest.raises(KeyboardInterrupt):
        build_gqa(files, out, SOURCES)
    stop = None
    assert not out.exists() and asked == [f'q{place}' for place in range(5)]
    asked.clear()
    done = []
    build_gqa(files, out, SOURCES, on_bytes=done.append)
    assert asked == [f'q{place}' for place in range(3, 7)]
    assert out.read_bytes() == (tmp_path / 'whole.json').read_bytes()
    assert sum(done) == sum(path.stat().st_size for path in files)


@pytest.mark.parametrize('change', ['form', 'file', 'damage'])
def test_parts_of_other_options_or_files_and_damaged_ones_are_made_again(tmp_path, monkeypatch, change):
    files, out, options = parts_of(tmp_path), tmp_path / 'out.json', {}
    files.append(write(tmp_path / 'bad.json', {'q': question('Is it?', {'9': '1'})}))
    with pytest.raises(ValueError, match='bad.json: question q: the annotated words'):
        build_gqa(files, out, SOURCES)
    files.pop()
    if change == 'form':
        options = dict(form='pretrain')
    elif change == 'file':
        os.utime(files[0], ns=(1, 1))
    else:
        (tmp_path / '.out.json.parts' / '000.images').write_text('[')
    asked, original = [], gqa.question_pair
    monkeypatch.setattr(gqa, 'question_pair',
                        lambda key, *rest, **more: asked.append(key) or original(key, *rest, **more))
    build_gqa(files, out, SOURCES, **options)
    assert asked[:2] == ['q0', 'q1'] and len(json.loads(out.read_text())['images']) == 7


def test_question_files_are_found_by_their_names(tmp_path):
    for place in (10, 0, 9):
        write(tmp_path / 'train_all_questions' / f'train_all_questions_{place}.json', {})
    write(tmp_path / 'val_balanced_questions.json', {})
    names = [path.name[-7:] for path in question_files(tmp_path, 'train', 'all')]
    assert names == ['_0.json', '_9.json', '10.json'] and len(question_files(tmp_path, 'val', 'balanced')) == 1
    with pytest.raises(ValueError, match='no test_all_questions.json, and no folder test_all_questions'):
        question_files(tmp_path, 'test', 'all')


@pytest.mark.parametrize('change, message', [
    (dict(question=None), 'question should be a text, got None'),
    (dict(imageId=7), 'imageId should be a text, got 7'),
    (dict(answer=True), 'answer should be a text, got True'),
    (dict(types={}), 'types: semantic should be a text, got None'),
    (dict(semantic=['select']), "a step of the program should have .*, got 'select'"),
    (dict(annotations=dict(question={'0': 3})), 'the id of an object should be a text, got 3'),
])
def test_a_broken_question_is_an_error_that_names_it(build, tmp_path, change, message):
    with pytest.raises(ValueError, match=f'q.json: question second.*{message}'):
        build({'first': question('Is it?'), 'second': question('Is it?') | change})
    assert not (tmp_path / 'out.json').exists()


@pytest.mark.parametrize('content, message', [
    ({'7': dict(objects={'1': dict(x=1, y=2, w=3)})}, 'picture 7, object 1 should have x, y, w and h'),
    ({'7': dict(objects=[])}, 'picture 7 has no table of objects'),
    ({'7': dict(objects={}, width=0, height=5)}, r'should have a height and a width in pixels, got \[5, 0\]'),
])
def test_broken_scene_graphs_are_an_error_that_names_the_object(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        read_scenes(write(tmp_path / 'graphs.json', content))


def test_answers_get_numbers_that_the_answer_head_reads(tmp_path):
    rows = [('yes', 'obj'), ('no', 'obj'), ('red', 'attr'), ('left', 'rel'), ('red', 'rel'), ('left', 'rel'),
            ('day', 'global'), ('cat', 'cat'), ('unknown', 'cat')]
    file = write(tmp_path / 'q.json', {str(place): question('?', answer=answer, types=dict(semantic=kind))
                                       for place, (answer, kind) in enumerate(rows)})
    vocabulary = gqa_vocabulary([file])
    assert vocabulary.by_type['answer_rel'] == {'left': 0, 'red': 1, 'unknown': 2}
    assert vocabulary.by_type['answer_cat'] == {'cat': 0, 'unknown': 1}
    assert vocabulary.total == {name: number for number, name in
                                enumerate(['cat', 'day', 'left', 'no', 'red', 'yes', 'unknown'])}
    total, by_type = write_vocabulary(vocabulary, tmp_path)
    sizes = {'obj': 3, 'attr': 2, 'rel': 3, 'cat': 2, 'global': 2}
    assert gqa_answers(by_type, sizes)['obj'] == dict(no=0, yes=1, unknown=2)
    assert gqa_answers(total, dict(total=7))['total']['unknown'] == 6
    assert gqa_vocabulary([file], min_count=2).by_type['answer_rel'] == {'left': 0, 'unknown': 1}
    for change, message in [(dict(types=dict(semantic='x')), "one of obj, .* got 'x'"), (dict(answer=None), 'answer')]:
        with pytest.raises(ValueError, match=f'question 5.*{message}'):
            gqa_vocabulary([write(tmp_path / 'bad.json', {'5': question('?') | change})])
