"""tools/data/build_gqa.py on the files of the published case."""
import json
from pathlib import Path

import pytest
from golden.cases import load_case
from mmdet_ext.annotations.grounding_checks import grounding_problems

TOOL = str(Path(__file__).resolve().parents[2] / 'tools' / 'data' / 'build_gqa.py')
CASE = load_case('mdetr', 'data_gqa')


@pytest.fixture
def root(tmp_path) -> Path:
    folder = tmp_path / 'gqa'
    (folder / 'train_all_questions').mkdir(parents=True)
    questions = CASE.inputs['val_balanced_questions.json']
    (folder / 'val_balanced_questions.json').write_text(json.dumps(questions))
    for place, (key, row) in enumerate(questions.items()):
        (folder / 'train_all_questions' / f'train_all_questions_{place}.json').write_text(json.dumps({key: row}))
    for split in ('train', 'val'):
        (folder / f'{split}_sceneGraphs.json').write_text(json.dumps(CASE.inputs['val_sceneGraphs.json']))
    sizes = CASE.inputs['image_data']
    rows = [dict(image_id=int(key), height=size[0], width=size[1]) for key, size in sizes.items()]
    (folder / 'image_data.json').write_text(json.dumps(rows))
    return folder


def test_fine_tuning_files_of_one_or_many_files_of_questions(in_process, root, tmp_path):
    options = ('--image-data', root / 'image_data.json', '--out', tmp_path / 'out')
    message, printed = in_process(TOOL, root, '--splits', 'val', *options)
    assert message == '' and '5  captions\n' in printed and '7  boxes\n' in printed and '1  captions without' in printed
    assert '1  left out: objects of answers to questions without What, Who or Where' in printed
    content = json.loads((tmp_path / 'out' / 'finetune_gqa_val_balanced.json').read_text())
    assert content == CASE.results['output'] and list(grounding_problems(content)) == []
    message, _ = in_process(TOOL, root, '--splits', 'train', '--subset', 'all', *options)
    assert json.loads((tmp_path / 'out' / 'finetune_gqa_train_all.json').read_text()) == CASE.results['output']
    message, printed = in_process(TOOL, root, '--splits', 'val', *options)
    assert 'finetune_gqa_val_balanced.json is there already and stays' in printed


def test_pre_training_files_have_no_answers(in_process, root, tmp_path):
    message, _ = in_process(TOOL, root, '--form', 'pretrain', '--splits', 'val', '--image-data',
                            root / 'image_data.json', '--out', tmp_path / 'out')
    content = json.loads((tmp_path / 'out' / 'final_gqa_val.json').read_text())
    assert message == '' and content['annotations'] == CASE.results['output']['annotations']
    assert 'answer' not in content['images'][0] and 'question_type' not in content['images'][0]


def test_the_vocabulary(in_process, root, tmp_path):
    options = ('--form', 'vocabulary', '--subset', 'all', '--splits', 'train', '--out', tmp_path / 'out')
    message, printed = in_process(TOOL, root, *options)
    sizes = 'answer_obj 1, answer_attr 1, answer_rel 4, answer_global 2, answer_cat 2'
    assert message == '' and f'6 answers ({sizes})' in printed
    table = json.loads((tmp_path / 'out' / 'gqa_answer2id_by_type.json').read_text())
    assert table['answer_rel'] == dict(left=0, umbrella=1, yes=2, unknown=3)
    message, _ = in_process(TOOL, root, *options)
    assert 'gqa_answer2id.json is there already' in message


def test_bad_input_is_one_line_and_nothing_is_written(in_process, root, tmp_path):
    options = ('--splits', 'train', '--subset', 'all', '--out', tmp_path / 'out')
    message, _ = in_process(TOOL, root, *options)
    assert 'question q1: there is no size of image 2345' in message and '\n' not in message
    last = root / 'train_all_questions' / 'train_all_questions_4.json'
    good = last.read_text()
    last.write_text(good[:-5])
    options += ('--image-data', root / 'image_data.json')
    message, _ = in_process(TOOL, root, *options)
    assert message.startswith('build_gqa.py: error: ') and 'questions_4.json is no json' in message
    assert not list((tmp_path / 'out').iterdir())
    last.write_text(good)
    assert in_process(TOOL, root, *options)[0] == ''
    assert json.loads((tmp_path / 'out' / 'finetune_gqa_train_all.json').read_text()) == CASE.results['output']


@pytest.mark.parametrize('options, message', [
    (('nowhere', ), 'there is no folder nowhere'),
    (('--image-data', 'no.json'), 'there is no file no.json'),
    (('--splits', 'testdev'), 'has no testdev_balanced_questions.json'),
    (('--form', 'vocabulary', '--splits', 'val', '--min-count', 0), '--min-count: should be a whole number of at'),
])
def test_wrong_arguments_are_one_line(in_process, root, tmp_path, options, message):
    first = () if options[0] == 'nowhere' else (root, )
    end, _ = in_process(TOOL, *first, *options, '--out', tmp_path / 'out')
    assert message in end and 'Traceback' not in end
