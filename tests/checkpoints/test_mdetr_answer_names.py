"""Published question-answering files of MDETR, by name and shape: each form converts, and loads strictly."""
from collections.abc import Callable

import pytest
import torch
from checkpoints.smca_names import linear
from checkpoints.test_mdetr_names import efficientnet, folder, weights  # noqa: F401  a fixture
from golden.cases import Case
from mmdet.registry import MODELS
from mmengine.config import Config

from mmdet_ext.checkpoints import CheckpointError, convert_with_report

GQA = {'type': 5, 'obj': 3, 'rel': 1594, 'attr': 403, 'cat': 678, 'global': 111}


def with_answers(heads: dict[str, int], queries: int, **arguments) -> dict:
    """A pre-trained file without alignment, as those of GQA are, and linear heads of answers."""
    tensors = {name: tensor for name, tensor in weights(**arguments).items() if 'contrastive_align' not in name}
    shapes = {'qa_embed.weight': (queries, 256)}
    for name, size in heads.items():
        shapes |= linear(name, 256, size)
    return tensors | {name: torch.empty(shape, device='meta') for name, shape in shapes.items()}


def gqa(sizes: dict[str, int] | None = None, **arguments) -> dict:
    heads = {f'answer_{name}_head': size for name, size in (GQA | (sizes or {})).items()}
    return with_answers(heads, 6, **arguments)


def unified(size: int = 1853) -> dict:
    return with_answers(dict(answer_head=size), 1)


def clevr(counts: int = 20) -> dict:
    """The golden file of CLEVR with distilroberta; RoBERTa's layers have the same names whatever their number."""
    shapes = {name: tuple(shape) for name, shape, _ in Case('mdetr', 'model_clevr').weights.tensors}
    body = {name: shape for name, shape in shapes.items() if name.startswith('backbone.')}
    tensors = weights('model_clevr', body=body, text_layers=6, channels=512)
    return tensors | {name: torch.empty((counts, *tensors[name].shape[1:]), device='meta')
                      for name in ('answer_reg_head.layers.2.weight', 'answer_reg_head.layers.2.bias')}


WITHOUT_ALIGNMENT = {'model.bbox_head.loss_align': None}
SPLIT = {'model.answer_head.type': 'GQAAnswerHead', **WITHOUT_ALIGNMENT}
UNIFIED = {'model.answer_head.type': 'GQAAnswerHead', 'model.answer_head.split': False, **WITHOUT_ALIGNMENT}
CLEVR = {'model.answer_head.type': 'ClevrAnswerHead', 'model.backbone.depth': 18, 'model.neck.in_channels': [512],
         'model.num_queries': 25, 'model.text_encoder.config.num_hidden_layers': 6,
         'model.text_encoder.pretrained': False,
         'model.bbox_head.predict_final': True}


@pytest.mark.parametrize('make, model, tensors, options', [
    (gqa, 'mdetr-r101-gqa', 930, SPLIT),
    (lambda: gqa({'obj': 4, 'global': 90}), 'mdetr-r101-gqa', 930,
     SPLIT | {'model.answer_head.num_answers.answer_obj': 4, 'model.answer_head.num_answers.answer_global': 90}),
    (lambda: gqa(body=efficientnet(), channels=384), 'mdetr-effb3-gqa', 899, SPLIT),
    (unified, 'mdetr-r101-gqa', 920, UNIFIED),
    (lambda: unified(50), 'mdetr-r101-gqa', 920, UNIFIED | {'model.answer_head.num_answers': 50}),
    (clevr, 'mdetr-r18-clevr', 420, CLEVR),
    (lambda: clevr(11), 'mdetr-r18-clevr', 420, CLEVR | {'model.answer_head.max_count': 10}),
])
def test_every_form_loads_strictly_into_the_model_of_its_options(make, model, tensors, options, folder):  # noqa: F811
    published = make()
    conversion = convert_with_report('mdetr', published)
    assert conversion.recipe.model == model and len(conversion.rows) == len(published) == tensors
    assert dict(conversion.recipe.options) == options
    cfg = Config.fromfile(conversion.recipe.config)
    cfg.merge_from_dict(dict(conversion.recipe.options))
    cfg.model.text_encoder.name = folder
    if 'config' not in cfg.model.text_encoder:  # else the options say that there are no weights to load
        cfg.model.text_encoder.update(pretrained=False, config=dict(num_hidden_layers=12))
    with torch.device('cpu' if 'eff' in model else 'meta'):
        built = MODELS.build(cfg.model)
    built.to('meta').load_state_dict(conversion.state_dict, strict=True)


def test_a_config_with_these_options_can_be_written():
    cfg = Config()
    cfg.merge_from_dict(dict(convert_with_report('mdetr', gqa({'global': 90})).recipe.options))
    assert Config.fromstring(cfg.pretty_text, '.py').model == cfg.model


def resized(name: str, rows: int) -> Callable[[dict], object]:
    return lambda tensors: tensors.update({name: torch.empty((rows, *tensors[name].shape[1:]), device='meta')})


@pytest.mark.parametrize('make, change, message', [
    (gqa, lambda tensors: tensors.pop('answer_rel_head.bias'), '930 tensors, these are 929'),
    (gqa, lambda tensors: tensors.pop('answer_rel_head.weight'), '930 tensors, these are 929'),
    (clevr, lambda tensors: tensors.pop('answer_reg_head.layers.1.weight'), '420 tensors, these are 419'),
    (gqa, lambda tensors: tensors.update({'answer_colour_head.bias': torch.zeros(1)}),
     'no rule for 1 of .*answer_colour'),
    (unified, lambda tensors: tensors.update({'answer_type_head.bias': torch.zeros(1)}),
     'no rule for 1 of .*answer_type'),
    (gqa, lambda tensors: tensors.pop('answer_obj_head.weight'), 'qa_embed.weight is there, but answer_head.weight, '),
    (gqa, resized('qa_embed.weight', 5), 'has 5 queries, the heads of gqa need 6'),
    (clevr, resized('answer_attr_head.weight', 16), 'answer_attr_head.weight is of 16 attributes, CLEVR has 15'),
])
def test_files_that_are_not_whole_are_refused(make, change, message):
    tensors = make()
    change(tensors)
    with pytest.raises((CheckpointError, ValueError), match='(?s)' + message):
        convert_with_report('mdetr', tensors)


@pytest.mark.parametrize('make, config', [
    (gqa, 'mdetr_r101_gqa'), (unified, 'mdetr_r101_gqa'), (clevr, 'mdetr_r18_clevr'),
    (lambda: gqa(body=efficientnet(), channels=384), 'mdetr_effb3_pretrain')])
def test_the_config_is_that_of_the_task_where_there_is_one(make, config):
    assert convert_with_report('mdetr', make()).recipe.config == f'configs/mdetr/{config}.py'
