"""GQAMetric: accuracies, the file for EvalAI, errors."""
import json

import pytest
from mmdet.registry import METRICS
from mmdet.structures import DetDataSample
from mmengine.evaluator import Evaluator

from mmdet_ext.evaluation import GQAMetric

QUESTIONS = [('b', 'obj', 'yes'), ('a', 'rel', 'left'), ('d', 'rel', 'yes'), ('c', 'cat', 'dog')]


@pytest.fixture
def write(tmp_path):
    """Write questions (id, type, answer)."""

    def write(questions=QUESTIONS) -> str:
        images = [dict(id=number, file_name='1.jpg', height=8, width=8, caption='is it?', questionId=id_,
                       question_type=kind, answer=answer) for number, (id_, kind, answer) in enumerate(questions)]
        (tmp_path / 'gqa.json').write_text(json.dumps(dict(images=images, annotations=[])))
        return str(tmp_path / 'gqa.json')

    return write


def sample(id_, kind, answer) -> dict:
    return dict(img_id=0, question_id=id_, pred_answer=dict(answer=answer, question_type=kind, score=0.5))


def evaluate(metric, *predictions) -> dict:
    metric.process({}, [sample(*prediction) for prediction in predictions])
    return metric.evaluate(size=len(predictions))


def test_accuracy_counts_answers_in_all_and_by_the_true_type(write):
    metric = METRICS.build(dict(type='GQAMetric', ann_file=write()))
    metrics = evaluate(metric, ('a', 'rel', 'left'), ('b', 'attr', 'yes'), ('c', 'cat', 'cat'), ('d', 'rel', 'no'))
    assert metrics == {'gqa/accuracy': 2 / 4, 'gqa/accuracy_obj': 1, 'gqa/accuracy_rel': 1 / 2, 'gqa/accuracy_cat': 0,
                       'gqa/type_accuracy': 3 / 4, 'gqa/typed_accuracy': 1 / 4}


def test_evalais_file_has_every_question_in_the_files_order(write, tmp_path):
    metric = GQAMetric(write(), dump_file=str(tmp_path / 'new' / 'out.json'))
    evaluate(metric, ('a', 'rel', 'left'), ('c', 'cat', 'chien é'), ('b', 'obj', 'no'), ('d', 'rel', 'no'))
    assert json.loads((tmp_path / 'new' / 'out.json').read_text()) == [
        dict(questionId='b', prediction='no'), dict(questionId='a', prediction='left'),
        dict(questionId='d', prediction='no'), dict(questionId='c', prediction='chien é')]


def test_a_split_without_answers_is_written_and_not_measured(write, tmp_path):
    file = write([('a', None, None), ('b', None, None)])
    metric = GQAMetric(file, dump_file=str(tmp_path / 'out.json'))
    # '' is what a head gives that does not tell types apart
    assert evaluate(metric, ('b', 'obj', 'no'), ('a', '', 'cat')) == {}
    assert [row['prediction'] for row in json.loads((tmp_path / 'out.json').read_text())] == ['cat', 'no']
    with pytest.raises(ValueError, match='gqa.json has no answers, so that nothing is left to do without a dump_file'):
        GQAMetric(file)


def test_an_evaluator_takes_what_a_detector_gives(write):
    samples = []
    for id_, kind, answer in QUESTIONS:
        samples.append(DetDataSample(metainfo=dict(img_id=0, question_id=id_, answer=answer, question_type=kind)))
        samples[-1].pred_answer = dict(answer=answer, question_type=kind, score=1.)
    evaluator = Evaluator(dict(type='GQAMetric', ann_file=write()))
    evaluator.process(samples)
    assert evaluator.evaluate(len(samples))['gqa/typed_accuracy'] == 1


@pytest.mark.parametrize('predictions, message', [
    ([('a', 'rel', 'left'), ('c', 'cat', 'dog')], "gqa.json: there are no predictions for 2 of its .*: 'b', 'd'$"),
    ([('a', 'rel', 'left'), ('b', 'obj', 'yes'), ('a', 'rel', 'no')],
     "there are two predictions for question 'a' of .*gqa.json"),
])
def test_a_missing_or_doubled_answer_is_an_error_and_nothing_is_written(write, tmp_path, predictions, message):
    metric = GQAMetric(write(), dump_file=str(tmp_path / 'out.json'))
    with pytest.raises(ValueError, match=message):
        evaluate(metric, *predictions)
    assert [path.name for path in tmp_path.iterdir()] == ['gqa.json']


def test_an_interrupted_dump_leaves_the_former_one(write, tmp_path):
    (tmp_path / 'out.json').write_text('former')
    metric = GQAMetric(write([('a', 'rel', 'left')]), dump_file=str(tmp_path / 'out.json'))

    def stop(answers):
        raise KeyboardInterrupt

    metric.dump = stop
    with pytest.raises(KeyboardInterrupt):
        evaluate(metric, ('a', 'rel', 'left'))
    assert sorted(path.name for path in tmp_path.iterdir()) == ['gqa.json', 'out.json']
    assert (tmp_path / 'out.json').read_text() == 'former'


@pytest.mark.parametrize('wrong, message', [
    (dict(question_id='z'), "gqa.json has no question 'z', for which there is a prediction"),
    (dict(pred_answer=None), "question 'a' of .*gqa.json has no pred_answer with an answer, got None"),
    (dict(pred_answer=dict(answer=3, question_type='obj')), "question 'a' of .* got .*3"),
    (dict(pred_answer=dict(answer='left', question_type='reg')),
     "question 'a' of .*: question_type of pred_answer should be one of obj, attr, rel, global, cat, got 'reg'"),
    (dict(pred_answer=dict(answer='left', question_type='')), "question_type of pred_answer should be .* got ''"),
])
def test_a_wrong_prediction_is_an_error(write, wrong, message):
    with pytest.raises(ValueError, match=message):
        GQAMetric(write()).process({}, [sample('a', 'rel', 'left') | wrong])


def test_a_sample_without_question_id_is_an_error(write):
    with pytest.raises(ValueError, match='the data sample of image 0 has no question_id, by which .*gqa.json'):
        GQAMetric(write()).process({}, [dict(img_id=0)])


def test_questions_of_an_unknown_type_or_with_one_id_are_errors(write):
    with pytest.raises(ValueError, match="gqa.json: image 0: question_type should be one of .* got 'binary'"):
        GQAMetric(write([('a', 'binary', 'yes')]))
    with pytest.raises(ValueError, match="gqa.json: two questions have the id 'a'"):
        GQAMetric(write([('a', 'obj', 'yes'), ('a', 'rel', 'no')]))
    with pytest.raises(ValueError, match="gqa.json: 'images' is missing or empty"):
        GQAMetric(write([]))
