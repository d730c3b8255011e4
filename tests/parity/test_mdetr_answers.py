"""MDETR's answers against the numbers of the published implementation, through the converter and its options."""
from pathlib import Path

import pytest
import torch
from golden.cases import Case, load_case
from golden.compare import approx, assert_close
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from parity.test_mdetr_model import inputs_of, text_of

from mmdet_ext.checkpoints import convert_with_report
from mmdet_ext.models.dense_heads.answer_heads import CLEVR_ATTRIBUTES, CLEVR_TYPES
from mmdet_ext.text.tokenizer_training import save_encoder_folder, train_tokenizer

TOLERANCE = dict(rtol=1e-4, atol=1e-4)


def build(case: Case, folder: Path, device: torch.device) -> torch.nn.Module:
    """Our model of the config and the options that the converter names; its tokenizer is not used."""
    conversion = convert_with_report('mdetr', case.state_dict)
    assert conversion.recipe.model == 'mdetr-r18-clevr'
    save_encoder_folder(train_tokenizer(['a b'], 300), folder, layers=1, hidden_size=32, heads=2)
    cfg = Config.fromfile(conversion.recipe.config)
    cfg.merge_from_dict(dict(conversion.recipe.options))
    text = {key: value for key, value in case.settings['roberta'].items() if key not in ('class', 'note')}
    cfg.model.text_encoder.update(name=str(folder), pretrained=False, pooled=True, config=text)
    model = MODELS.build(cfg.model).eval()
    model.load_state_dict(conversion.state_dict)
    return model.to(device)


def samples_of(answers: dict) -> list[DetDataSample]:
    samples = [DetDataSample() for _ in answers['answer_type']]
    for i, sample in enumerate(samples):
        kind = CLEVR_TYPES[answers['answer_type'][i]]
        number = int(answers[f'answer_{kind}'][i])
        names = dict(binary=('no', 'yes'), attr=CLEVR_ATTRIBUTES, reg=[str(count) for count in range(20)])
        sample.set_metainfo(dict(question_type=kind, answer=names[kind][number]))
    return samples


def check_losses(losses: dict, expected: dict, device: torch.device) -> None:
    """Names and values."""
    expected = {name: value for name, value in expected.items() if name != 'rows'}
    assert losses.keys() == expected.keys()
    for name, value in expected.items():
        assert losses[name].item() == approx(value, device, rel=1e-5, abs=1e-6), name


@torch.no_grad()
def test_answers_objects_and_losses_of_clevr(tmp_path, device):
    """In float64, because six layers make much of rounding: what differs is that of the published numbers."""
    case = load_case('mdetr', 'model_clevr')
    model = build(case, tmp_path, device).double()
    images, samples = inputs_of(case, device)
    _, text = text_of(model, case)
    fused = model.fuse(model.encode_image(images.double(), samples), text)
    states, _, answer_states = model.decode(fused)
    assert_close(answer_states[0].float(), case['answer_embeds_first'], **TOLERANCE)
    assert_close(answer_states[-1].float(), case['answer_embeds_last'], **TOLERANCE)
    logits = model.answer_head(answer_states)
    assert list(logits) == ['type', 'binary', 'reg', 'attr']
    for name, logit in logits.items():
        assert_close(logit, case[f'pred_answer_{name}'], rtol=0, atol=1e-4)

    outputs = model.bbox_head(states, fused.text)
    assert_close(outputs.logits[-1], case['pred_logits'], rtol=0, atol=2e-4)
    assert_close(outputs.boxes, case['pred_boxes'], rtol=0, atol=5e-5)
    assert_close(outputs.isfinal, case['pred_isfinal'].squeeze(-1), rtol=0, atol=1e-4)
    assert_close(outputs.queries[-1], case['proj_queries'], rtol=0, atol=1e-5)
    assert_close(outputs.tokens[~text.padding], case['proj_tokens'][~text.padding.cpu()], rtol=0, atol=1e-5)
    for sample, size in zip(samples, case.inputs['post_target_sizes_hw']):
        sample.set_metainfo(dict(ori_shape=tuple(size)))
    results = model.bbox_head.predict(states, fused.text, text.offsets, samples)
    assert_close(torch.stack([result.scores for result in results]), case['post_scores'], **TOLERANCE)
    assert_close(torch.stack([result.scores_refexp for result in results]), case['post_scores_refexp'], **TOLERANCE)

    losses = model.answer_head.loss(answer_states, samples_of(case.inputs['answers']))
    check_losses(losses, case.results['qa_losses'], device)


@pytest.mark.parametrize('name, start', [('model_clevr', ''), ('losses_clevr_qa', 'in.')])
def test_the_answers_that_follow_from_published_logits(name, start, device):
    case = load_case('mdetr', name)
    logits = {part: case[f'{start}pred_answer_{part}'].to(device) for part in ('type', 'binary', 'reg', 'attr')}
    head = MODELS.build(dict(type='ClevrAnswerHead')).to(device)
    predictions = head.predict_by_feat(logits, [DetDataSample() for _ in logits['type']])
    types = logits['type'].argmax(dim=1).tolist()
    for i, (answer, number) in enumerate(zip(predictions, types)):
        kind = CLEVR_TYPES[number]
        logit = logits[kind][i]
        if kind == 'binary':
            expected, share = 'yes' if logit.sigmoid() > 0.5 else 'no', max(logit.sigmoid(), 1 - logit.sigmoid())
        else:
            expected = CLEVR_ATTRIBUTES[logit.argmax()] if kind == 'attr' else str(logit.argmax().item())
            share = logit.softmax(dim=0).max()
        score = logits['type'][i].softmax(dim=0).max() * share
        assert answer == dict(answer=expected, question_type=kind, score=pytest.approx(score.item(), rel=1e-5))


@pytest.mark.parametrize('rows', ['all', 'no_reg'])
def test_losses_and_accuracies_of_clevr(rows, device):
    case = load_case('mdetr', 'losses_clevr_qa')
    expected = case.results[rows]
    head = MODELS.build(dict(type='ClevrAnswerHead')).to(device)
    logits = {name: case[f'in.pred_answer_{name}'][expected['rows']].to(device)
              for name in ('type', 'binary', 'reg', 'attr')}
    samples = [samples_of(case.inputs['answers'])[row] for row in expected['rows']]
    check_losses(head.loss_by_feat(logits, head.targets(samples)), expected, device)
    published = {name.removeprefix('answer_'): torch.tensor(values)[expected['rows']]  # of questions of all types
                 for name, values in case.inputs['answers'].items()}
    check_losses(head.loss_by_feat(logits, published), expected, device)
