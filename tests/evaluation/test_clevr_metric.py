"""ClevrMetric: accuracies by type and kind, the file of answers; what it shares is tested in test_gqa_metric.py."""
import json

import pytest
from mmdet.registry import METRICS

from mmdet_ext.evaluation import ClevrMetric


def write(folder, *rows, table='images') -> str:
    (folder / 'clevr.json').write_text(json.dumps({table: rows}))
    return str(folder / 'clevr.json')


def image(id_, answer, kind=None) -> dict:
    return dict(id=id_, file_name='1.png', caption='is it?', answer=answer) | (dict(question_kind=kind) if kind else {})


def evaluate(metric, *predictions) -> dict:
    metric.process({}, [dict(question_id=id_, pred_answer=dict(answer=answer, question_type=kind, score=1.))
                        for id_, answer, kind in predictions])
    return metric.evaluate(size=len(predictions))


def test_accuracy_by_type_and_by_kind(tmp_path):
    file = write(tmp_path, image(1, 'yes', 'exist'), image(2, 'no', 'compare_number'), image(3, '4', 'count'),
                 image(4, 'red', 'query_attribute'), image(5, 'no', 'exist'))
    metric = METRICS.build(dict(type='ClevrMetric', ann_file=file))
    metrics = evaluate(metric, (1, 'yes', 'binary'), (2, 'no', 'binary'), (3, '5', 'reg'), (4, '4', 'reg'),
                       (5, 'yes', 'binary'))
    assert metrics == {
        'clevr/accuracy': 2 / 5, 'clevr/accuracy_binary': 2 / 3, 'clevr/accuracy_reg': 0, 'clevr/accuracy_attr': 0,
        'clevr/accuracy_exist': 1 / 2, 'clevr/accuracy_compare_number': 1, 'clevr/accuracy_count': 0,
        'clevr/accuracy_query_attribute': 0, 'clevr/type_accuracy': 4 / 5, 'clevr/typed_accuracy': 2 / 5}


def test_without_kinds_there_are_types_alone(tmp_path):
    metrics = evaluate(ClevrMetric(write(tmp_path, image(1, 'yes'))), (1, 'yes', 'binary'))
    names = ('accuracy', 'accuracy_binary', 'type_accuracy', 'typed_accuracy')
    assert set(metrics) == {f'clevr/{name}' for name in names}


def test_answers_stand_one_a_line_in_the_order_of_the_questions(tmp_path):
    file = write(tmp_path, image(9, 'yes'), image(2, '3'), image(5, 'cube'))
    evaluate(ClevrMetric(file, dump_file=str(tmp_path / 'out.txt')), (2, '3', 'reg'), (5, 'cube', 'attr'),
             (9, 'no', 'binary'))
    assert (tmp_path / 'out.txt').read_text() == 'no\n3\ncube\n'


def test_clevrs_own_test_questions_are_answered_in_a_file(tmp_path):
    rows = [dict(question='Is it?', image_filename='a.png', question_index=index) for index in (0, 1)]
    metric = ClevrMetric(write(tmp_path, *rows, table='questions'), dump_file=str(tmp_path / 'out.txt'))
    assert evaluate(metric, (1, '3', 'reg'), (0, 'no', 'binary')) == {}
    assert (tmp_path / 'out.txt').read_text() == 'no\n3\n'


@pytest.mark.parametrize('predictions, message', [
    ([(1, 'yes', 'obj')], "question 1 of .*clevr.json: question_type of .* one of binary, attr, reg, got 'obj'"),
    ([(1, 'yes', 'binary'), (1, 'no', 'binary')], 'two predictions for question 1 of .*clevr.json'),
    ([(1, 'yes', 'binary')], 'clevr.json: there are no predictions for 1 of its questions. The first: 2$'),
])
def test_errors_name_the_question_and_the_file(tmp_path, predictions, message):
    with pytest.raises(ValueError, match=message):
        evaluate(ClevrMetric(write(tmp_path, image(1, 'yes'), image(2, 'no'))), *predictions)
