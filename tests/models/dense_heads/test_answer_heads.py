"""Answer heads: losses against formulas, what is asked of the vocabulary, the detector with questions."""
import json

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from models.detectors.test_mdetr import CAPTIONS, build, folder, sample  # noqa: F401  a fixture
from torch.testing import assert_close

TYPES = ('obj', 'attr', 'rel', 'global', 'cat')
SIZES = {'obj': 3, 'rel': 7, 'attr': 5, 'cat': 6, 'global': 4}
BY_TYPE = {f'answer_{name}': {f'{name} {i}': i for i in range(size)} for name, size in SIZES.items()}
ONE = {'yes': 1, 'no': 0, 'red': 3, 'unknown': 2}


def question(kind: str | None, answer: str | None, **meta) -> DetDataSample:
    data_sample = DetDataSample()
    data_sample.set_metainfo(dict(question_type=kind, answer=answer, img_path='a/b.jpg', **meta))
    return data_sample


def gqa(vocabulary=BY_TYPE, **options) -> torch.nn.Module:
    usual = dict(type='GQAAnswerHead', embed_dims=16, num_answers=SIZES, vocabulary=vocabulary)
    return MODELS.build(dict(usual, **options))


def unified(vocabulary=ONE, **options) -> torch.nn.Module:
    return gqa(vocabulary, split=False, num_answers=len(ONE), **options)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def test_losses_of_split_answers_by_their_formula():
    head = gqa(loss_weight=25.)
    asked = [('attr', 4), ('obj', 0), ('attr', 1), ('cat', 5), ('obj', 2), ('rel', 6)]  # no question of type global
    logits = {name: torch.randn(len(asked), size).requires_grad_()
              for name, size in dict(type=5, **SIZES).items()}
    samples = [question(kind, f'{kind} {number}') for kind, number in asked]
    losses = head.loss_by_feat(logits, head.targets(samples))

    values = {name: logit.detach().double().numpy() for name, logit in logits.items()}
    type_ids = np.array([TYPES.index(kind) for kind, _ in asked])
    type_right = values['type'].argmax(axis=1) == type_ids
    right = np.zeros(len(asked), dtype=bool)
    expected = dict(loss_answer_type=-25 * log_softmax(values['type'])[np.arange(len(asked)), type_ids].mean(),
                    accuracy_answer_type=type_right.mean())
    for kind in SIZES:
        rows = [i for i, (asked_kind, _) in enumerate(asked) if asked_kind == kind]
        indices = [asked[i][1] for i in rows]
        log_likelihoods = log_softmax(values[kind])[rows, indices]
        expected[f'loss_answer_{kind}'] = -25 * log_likelihoods.mean() if rows else 0.
        hits = values[kind].argmax(axis=1)[rows] == indices
        expected[f'accuracy_answer_{kind}'] = hits.mean() if rows else 1.
        right[rows] = hits
    expected['accuracy_answer_total'] = (type_right & right).mean()
    assert losses.keys() == expected.keys()
    for name, value in expected.items():
        assert losses[name].item() == pytest.approx(value, rel=1e-5, abs=1e-6), name

    sum(value for name, value in losses.items() if 'loss' in name).backward()
    probabilities = np.exp(log_softmax(values['attr']))
    gradient = np.zeros_like(probabilities)
    for row, number in ((0, 4), (2, 1)):
        gradient[row] = 25 * (probabilities[row] - np.eye(5)[number]) / 2
    assert_close(logits['attr'].grad.double(), torch.from_numpy(gradient), rtol=1e-4, atol=1e-6)
    assert not logits['global'].grad.any()


def test_losses_of_unified_answers_by_their_formula():
    head = unified(loss_weight=2.)
    logits, answers = torch.randn(5, 4), ['red', 'no', 'never seen', 'yes', 'unknown']
    losses = head.loss_by_feat(dict(total=logits), head.targets([question(None, answer) for answer in answers]))
    indices = [3, 0, 2, 1, 2]
    expected = -2 * log_softmax(logits.double().numpy())[np.arange(5), indices].mean()
    assert losses.keys() == {'loss_answer_total', 'accuracy_answer_total'}
    assert losses['loss_answer_total'].item() == pytest.approx(expected, rel=1e-5)
    assert losses['accuracy_answer_total'].item() == pytest.approx((logits.argmax(dim=1).numpy() == indices).mean())


def test_the_weight_of_clevr_is_that_of_the_type():
    samples = [question('binary', 'yes'), question('attr', 'metal'), question('reg', '19')]
    states = torch.randn(2, 3, 4, 16)
    head = MODELS.build(dict(type='ClevrAnswerHead', embed_dims=16))
    plain = head.loss(states, samples)
    head.loss_weights = dict(type=25.)
    heavy = head.loss(states, samples)
    assert_close(heavy.pop('loss_answer_type'), 25 * plain.pop('loss_answer_type'))
    assert heavy == plain


@pytest.mark.parametrize('make, queries', [(gqa, 6), (unified, 1),
                                           (lambda: MODELS.build(dict(type='ClevrAnswerHead', embed_dims=16)), 4)])
def test_answers_come_from_the_first_layer(make, queries):
    head = make()
    states = torch.randn(3, 2, queries, 16)
    changed = torch.cat([states[:1], torch.randn(2, 2, queries, 16)])
    samples = [question(None, None), question(None, None)]
    assert head.query_embedding.weight.shape == (queries, 16)
    assert head.predict(states, samples) == head.predict(changed, samples)
    assert all(logit.equal(other) for logit, other in zip(head(states).values(), head(changed).values()))


def test_each_query_has_its_own_classifier():
    head, states = gqa(), torch.zeros(1, 1, 6, 16)
    for place, name in enumerate(('type', 'obj', 'rel', 'attr', 'cat', 'global')):
        changed = states.clone()
        changed[0, 0, place] = 1
        changed_logits = head(changed)
        assert [key for key, logit in changed_logits.items() if not logit.equal(head(states)[key])] == [name]


def test_a_prediction_is_the_answer_of_the_recognised_type():
    head = gqa()
    logits = {name: torch.zeros(1, size) for name, size in dict(type=5, **SIZES).items()}
    logits['type'][0, 2] = 10.
    logits['rel'][0, 6] = 3.
    score = torch.tensor([10., 0, 0, 0, 0]).softmax(0)[0] * torch.tensor([3.] + 6 * [0.]).softmax(0)[0]
    assert head.predict_by_feat(logits, [question('obj', None)]) == [
        dict(answer='rel 6', question_type='rel', score=pytest.approx(score.item()))]
    predictions = unified().predict_by_feat(dict(total=torch.tensor([[0., 9., 0., 0.]])), [question('obj', None)])
    assert predictions[0]['answer'] == 'yes' and predictions[0]['question_type'] == 'obj'


def test_attributes_and_counts_of_other_scenes():
    head = MODELS.build(dict(type='ClevrAnswerHead', embed_dims=16, attributes=('star', 'circle'), max_count=3))
    logits = head(torch.randn(1, 2, 4, 16))
    assert logits['attr'].shape == (2, 2) and logits['reg'].shape == (2, 4)
    targets = head.targets([question('attr', 'circle'), question('reg', '3'), question('binary', 'no')])
    assert {name: target.tolist() for name, target in targets.items()} == dict(
        type=[1, 2, 0], attr=[1, -100, -100], reg=[-100, 3, -100], binary=[-100, -100, 0])


def test_numbers_of_answers_go_by_the_names_of_the_file_too():
    named = MODELS.build(dict(type='GQAAnswerHead', embed_dims=16, num_answers=dict(answer_global=7, obj=4)))
    sizes = {kind: len(branch.bias) for kind, branch in named.branches.items()}
    assert sizes == {'obj': 4, 'rel': 1594, 'attr': 403, 'cat': 678, 'global': 7}


def test_the_vocabulary_is_read_when_it_is_needed(tmp_path):
    path = tmp_path / 'gqa_answer2id_by_type.json'
    head = gqa(str(path))
    with pytest.raises(ValueError, match='by_type.json cannot be read as json'):
        head.targets([question('obj', 'obj 1')])
    path.write_text(json.dumps({name.removeprefix('answer_'): table for name, table in BY_TYPE.items()}))
    assert head.targets([question('obj', 'obj 1')])['obj'].tolist() == [1]
    assert gqa(ConfigDict(BY_TYPE)).targets([question('cat', 'cat 5')])['cat'].tolist() == [5]


@pytest.mark.parametrize('make, asked, message', [
    (lambda: gqa(None), ('obj', 'obj 1'), 'needs `vocabulary`'),
    (lambda: gqa({**BY_TYPE, 'answer_obj': {'a': 0}}), ('obj', 'a'), "1 answers of type 'obj', num_answers says 3"),
    (lambda: gqa({**BY_TYPE, 'answer_obj': {'a': 0, 'b': 1, 'c': 3}}), ('obj', 'a'), 'should be 0 to 2, each once'),
    (lambda: gqa(ONE), ('obj', 'yes'), "no table .* type 'obj': files by type are for split=True"),
    (lambda: unified(BY_TYPE), ('obj', 'yes'), "no table .* type 'total'"),
    (lambda: gqa([1]), ('obj', 'yes'), 'should be a table of answers, got list'),
    (gqa, ('colour', 'red'), "a/b.jpg, question 7: question_type should be one of obj, .*, got 'colour'"),
    (gqa, (['obj'], 'red'), r"question_type should be one of obj, .*, got \['obj'\]"),
    (gqa, ('obj', 'obj 9'), "a/b.jpg, question 7: the answer 'obj 9' is none of the 3 of type 'obj' in `vocabulary`"),
    (gqa, ('obj', None), 'a/b.jpg, question 7: training needs the answer, .* got None'),
    (lambda: MODELS.build(dict(type='ClevrAnswerHead')), ('reg', '20'), "'20' is none of the 20 of type 'reg' in"),
])
def test_what_cannot_be_answered_is_named(make, asked, message):
    with pytest.raises(ValueError, match=message):
        make().targets([question(*asked, question_id=7)])


@pytest.mark.parametrize('name', ['missing.json', 'broken.json'])
def test_a_bad_file_is_named(tmp_path, name):
    (tmp_path / 'broken.json').write_text('{"answer_obj":')
    with pytest.raises(ValueError, match=name):
        unified(tmp_path / name).predict(torch.randn(1, 1, 1, 16), [question(None, None)])


@pytest.mark.parametrize('options, message', [
    (dict(type='GQAAnswerHead', num_answers=5), 'num_answers with split=True should be sizes by type'),
    (dict(type='GQAAnswerHead', split=False, num_answers=dict(obj=3)), 'split=False should be one number'),
    (dict(type='GQAAnswerHead', num_answers=dict(colour=5)), "'colour': 5"),
    (dict(type='GQAAnswerHead', num_answers=dict(obj=0)), "'obj': 0"),
    (dict(type='GQAAnswerHead', num_answers=dict(total=5)), "'total': 5"),
    (dict(type='GQAAnswerHead', num_answers=dict(obj='3')), "'obj': '3'"),
    (dict(type='ClevrAnswerHead', attributes=()), 'attributes should be at least one name'),
    (dict(type='ClevrAnswerHead', attributes=('red', 'red')), 'none twice'),
    (dict(type='ClevrAnswerHead', max_count=0), 'max_count should be at least 1, got 0'),
])
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(options)


CLEVR = dict(type='ClevrAnswerHead', embed_dims=64)
UNIFIED = dict(type='GQAAnswerHead', embed_dims=64, split=False, vocabulary=ONE, num_answers=4)


def asked(caption: str, kind: str | None, answer: str | None, **options) -> DetDataSample:
    return sample(caption, question_type=kind, answer=answer, **options)


@pytest.mark.parametrize('answer_head', [CLEVR, UNIFIED])
def test_a_detector_that_answers_trains_and_predicts(folder, answer_head):  # noqa: F811
    model = build(folder, answer_head=answer_head).train()
    samples = [asked(CAPTIONS[0], 'binary', 'yes'), asked(CAPTIONS[1], 'attr', 'red')]
    images = torch.randn(2, 3, 96, 128)
    losses = model.loss(images, samples)
    assert {'loss_ce', 'd0.loss_ce', 'accuracy_answer_total'} <= losses.keys()
    total, logged = model.parse_losses(losses)
    assert_close(total, sum(value for name, value in losses.items() if 'loss' in name))
    assert logged['accuracy_answer_total'] == losses['accuracy_answer_total']
    total.backward()
    assert [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None] == []

    with torch.no_grad():
        results = model.eval()(images, samples, mode='predict')
        outputs, logits = model(images, samples, mode='tensor')
        alone = model(images[:1], samples[:1], mode='tensor')
    for result, expected in zip(results, model.answer_head.predict_by_feat(logits, samples)):
        assert result.pred_answer == result.to_dict()['pred_answer'] == expected and len(result.pred_instances) == 10
    assert outputs.logits.shape[2] == 10
    for name, logit in alone[1].items():
        assert_close(logit, logits[name][:1], rtol=1e-4, atol=1e-5)
    model(images, samples, mode='predict')  # a second time on the same samples


def test_answers_alone_need_no_boxes(folder):  # noqa: F811
    model = build(folder, answer_head=CLEVR, detection=False).train()
    samples = [asked(CAPTIONS[0], 'binary', 'yes', spans=[])]
    del samples[0].gt_instances
    losses = model.loss(torch.randn(1, 3, 96, 128), samples)
    assert all('answer' in name for name in losses)
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    assert model.answer_head.query_embedding.weight.grad.any() and model.resizer.fc.weight.grad.any()
    assert model.bbox_head.fc_cls.weight.grad is None
    with pytest.raises(ValueError, match='detection=False .* needs answer_head'):
        build(folder, detection=False)


@torch.no_grad()
def test_objects_see_the_answer_queries_and_answers_of_the_first_layer_see_no_objects(folder):  # noqa: F811
    model = build(folder, answer_head=CLEVR).eval()
    fused = model.fuse(model.encode_image(torch.randn(1, 3, 96, 128), [sample('')]), model.encode_text(CAPTIONS[:1]))
    objects, _, answers = model.decode(fused)
    model.answer_head.query_embedding.weight.mul_(2)
    other_objects = model.decode(fused).objects
    assert not objects[-1].equal(other_objects[-1])
    model.answer_head.query_embedding.weight.div_(2)
    model.query_embedding.weight.mul_(2)
    other_answers = model.decode(fused).answers
    assert_close(answers[0], other_answers[0])  # all queries are 0 there, so attention between them has nothing to say
    assert not answers[-1].allclose(other_answers[-1], atol=1e-3)


def test_the_last_layer_alone_can_be_trained_to_detect(folder):  # noqa: F811
    both = build(folder).eval()
    align = dict(type='ContrastiveAlignLoss')
    last = build(folder, bbox_head=dict(type='MDETRHead', embed_dims=64, loss_align=align, aux_loss=False))
    last.load_state_dict(both.state_dict())
    images, samples = torch.randn(1, 3, 96, 128), [sample(CAPTIONS[0])]
    expected, losses = both.loss(images, samples), last.eval().loss(images, samples)
    assert losses.keys() == {name for name in expected if not name.startswith('d')}
    for name, value in losses.items():
        assert_close(value, expected[name])


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_answers_in_full(folder, dtype):  # noqa: F811
    model = build(folder, answer_head=CLEVR).train()
    with torch.autocast('cpu', dtype=dtype):
        losses = model.loss(torch.randn(1, 3, 96, 128), [asked(CAPTIONS[0], 'reg', '3')])
    assert all(value.dtype == torch.float32 and value.isfinite() for name, value in losses.items() if 'answer' in name)


def test_boxes_that_do_not_say_whether_they_are_referred_to_are_named(folder):  # noqa: F811
    model = build(folder, answer_head=CLEVR, bbox_head=dict(type='MDETRHead', embed_dims=64, predict_final=True))
    with pytest.raises(ValueError, match='c/d.png: gt_instances has no isfinal'):
        model.loss(torch.randn(1, 3, 96, 128), [asked(CAPTIONS[0], 'binary', 'yes', img_path='c/d.png')])
