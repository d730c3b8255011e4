"""tools/data/build_clevr.py on a scene of two objects."""
import json
from pathlib import Path

import pytest

from mmdet_ext.annotations.builders.clevr import questions
from mmdet_ext.annotations.grounding_checks import grounding_problems

TOOL = str(Path(__file__).resolve().parents[2] / 'tools' / 'data' / 'build_clevr.py')
NAME = 'CLEVR_val_000000.png'
RED = [dict(function='scene', inputs=[], value_inputs=[]),
       dict(function='filter_color', inputs=[0], value_inputs=['red'])]
RED_CUBE = [*RED, dict(function='filter_shape', inputs=[1], value_inputs=['cube'])]


@pytest.fixture
def files(tmp_path) -> dict[str, Path]:
    """Questions, expressions, scenes and boxes; the first scene object is red."""
    objects = [dict(size='small', color=color, material='metal', shape='cube') for color in ('red', 'blue')]
    sides = {side: [[], []] for side in ('left', 'right', 'front', 'behind')}
    row = dict(image_index=0, image_filename=NAME)
    question = row | dict(question='How many red things are there?', answer='1', question_index=0,
                          program=[*RED, dict(function='count', inputs=[1], value_inputs=[])])
    contents = dict(
        questions=dict(info={}, questions=[question, question | dict(question='What number of red objects are there?',
                                                                     question_index=1)]),
        refexps=dict(info={}, refexps=[row | dict(refexp='The red block(s)', program=RED_CUBE)]),
        scenes=dict(info={}, scenes=[row | dict(objects=objects, relationships=sides)]),
        boxes={NAME: [[10, 20, 30, 40], [50, 60, 70, 80]]})
    for name, content in contents.items():
        (tmp_path / f'{name}.json').write_text(json.dumps(content))
    return {name: tmp_path / f'{name}.json' for name in contents}


def test_questions_get_boxes(in_process, files, tmp_path):
    out = tmp_path / 'new' / 'val.json'
    options = (files['questions'], '--scenes', files['scenes'], '--boxes', files['boxes'], '--out', out)
    message, printed = in_process(TOOL, *options)
    assert message == '' and '2  captions\n' in printed
    content = json.loads(out.read_text())
    assert list(grounding_problems(content)) == [] and len(content['images']) == 2
    assert content['images'][0] == dict(file_name=NAME, height=320, width=480, original_id=0, answer='1', question_id=0,
                                        caption='How many red things are there?', tokens_negative=[[0, 30]],
                                        dataset_name='clevr', question_kind='count', id=0)
    assert content['annotations'][0] == dict(area=1200, iscrowd=0, category_id=1, bbox=[10, 20, 30, 40],
                                             tokens=[[9, 19]], image_id=0, id=0)
    first = out.read_bytes()
    assert f'{out} is there already' in in_process(TOOL, *options)[0]
    assert in_process(TOOL, *options, '--overwrite')[0] == '' and out.read_bytes() == first


def test_expressions_say_what_is_final(in_process, files, tmp_path):
    message, _ = in_process(TOOL, files['refexps'], '--scenes', files['scenes'], '--boxes', files['boxes'], '--size',
                            '240x160', '--out', tmp_path / 'ref.json')
    content = json.loads((tmp_path / 'ref.json').read_text())
    assert message == '' and content['images'][0]['dataset_name'] == 'clevrref'
    assert (content['images'][0]['width'], content['images'][0]['height']) == (240, 160)
    assert [(row['tokens'], row['isfinal']) for row in content['annotations']] == [([[4, 16]], 1)]


@pytest.mark.parametrize('options, message', [
    (dict(boxes=None), 'scene 0 (CLEVR_val_000000.png): there are no boxes for it'),
    (dict(scenes=None), '--boxes belong to the objects of --scenes'),
    (dict(scenes=None, boxes=None), 'question 0: there is no scene with its image_index 0'),
    (dict(questions='scenes'), 'scenes.json has neither questions nor refexps'),
    (dict(scenes='questions'), "questions.json has no table 'scenes'"),
    (dict(boxes='nowhere'), 'there is no file'),
    (dict(size='480'), '--size should be WIDTHxHEIGHT'),
])
def test_wrong_input_is_one_line_and_nothing_is_written(in_process, files, tmp_path, options, message):
    chosen = {name: options.get(name, name) for name in ('questions', 'scenes', 'boxes')}
    paths = {name: files.get(file, Path(str(file))) for name, file in chosen.items() if file}
    arguments = [value for name in ('scenes', 'boxes') if name in paths for value in (f'--{name}', paths[name])]
    end, _ = in_process(TOOL, paths['questions'], *arguments, '--size', options.get('size', '480x320'), '--out',
                          tmp_path / 'out.json')
    assert message in end and 'Traceback' not in end and not (tmp_path / 'out.json').exists()


def test_an_interrupted_run_leaves_nothing_and_says_so(in_process, files, tmp_path, monkeypatch):

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(questions, 'run_program', interrupt)
    before = sorted(tmp_path.iterdir())
    message, _ = in_process(TOOL, files['questions'], '--scenes', files['scenes'], '--boxes', files['boxes'], '--out',
                            tmp_path / 'out.json')
    assert message == 'build_clevr.py: interrupted, nothing was written' and sorted(tmp_path.iterdir()) == before
