"""Published files of MDETR, by name and shape: each form converts and loads strictly into its config."""
import pytest
import torch
from checkpoints.smca_names import backbone
from golden.cases import Case
from mmdet.registry import MODELS
from mmengine.config import Config

from mmdet_ext.checkpoints import CheckpointError, convert_with_report
from mmdet_ext.text.tokenizer_training import save_encoder_folder, train_tokenizer

TEXT = 'transformer.text_encoder.'


def weights(case: str = 'model', body: dict | None = None, text_layers: int = 12, channels: int = 2048) -> dict:
    """The tensors of a golden case with RoBERTa of its published size and another backbone, without memory."""
    shapes = {name: tuple(shape) for name, shape, _ in Case('mdetr', case).weights.tensors}
    body = backbone(101) if body is None else body
    named_shapes = {name: shape for name, shape in shapes.items()
                    if not name.startswith(('backbone.', TEXT + 'encoder.'))}
    named_shapes |= body
    first = f'{TEXT}encoder.layer.0.'
    for name, shape in shapes.items():
        if name.startswith(first):
            named_shapes |= {f'{TEXT}encoder.layer.{i}.{name.removeprefix(first)}': shape for i in range(text_layers)}
    named_shapes |= {f'{TEXT}embeddings.word_embeddings.weight': (50265, 768),
              f'{TEXT}embeddings.position_embeddings.weight': (514, 768), 'input_proj.weight': (256, channels, 1, 1)}
    tensors = {name: torch.empty(shape, device='meta') for name, shape in named_shapes.items()}
    tensors[f'{TEXT}embeddings.position_ids'] = torch.arange(514)[None]
    return tensors


def efficientnet() -> dict:
    return {name: tuple(shape) for name, shape, _ in Case('mdetr', 'backbone_effb3').weights.tensors}


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp('text') / 'encoder'
    save_encoder_folder(train_tokenizer(['a red circle'], 300), folder, layers=1, hidden_size=32, heads=2)
    return str(folder)


@pytest.mark.parametrize('arguments, model, tensors, options', [
    (dict(), 'mdetr-r101', 921, {}),
    (dict(text_layers=6), 'mdetr-r101', 825,
     {'model.text_encoder.config.num_hidden_layers': 6, 'model.text_encoder.pretrained': False}),
    (dict(body=efficientnet(), channels=384), 'mdetr-effb3', 890, {}),
])
def test_every_form_converts_and_loads_strictly(arguments, model, tensors, options, folder):
    published = weights(**arguments)
    assert len(published) == tensors
    conversion = convert_with_report('mdetr', published)
    assert conversion.recipe.model == model and dict(conversion.recipe.options) == options
    assert [row.source for row in conversion.rows if row.target is None] == [f'{TEXT}embeddings.position_ids']
    cfg = Config.fromfile(conversion.recipe.config)
    cfg.model.text_encoder.update(name=folder, pretrained=False,
                                  config=dict(num_hidden_layers=arguments.get('text_layers', 12)))
    with torch.device('cpu' if 'eff' in model else 'meta'):
        built = MODELS.build(cfg.model)
    built.to('meta').load_state_dict(conversion.state_dict, strict=True)


def test_files_without_alignment_say_so():
    published = {name: tensor for name, tensor in weights().items() if 'contrastive_align' not in name}
    assert convert_with_report('mdetr', published).recipe.options == {'model.bbox_head.loss_align': None}


@pytest.mark.parametrize('change, message', [
    (lambda state: state.pop('transformer.decoder.layers.3.norm4.bias'), '921 tensors, these are 920'),
    (lambda state: state.update({'answer_head.weight': torch.zeros(1)}),
     'no rule for 1 of 922 tensors:\n  answer_head'),
    (lambda state: state.pop('query_embed.weight'), 'no checkpoint of MDETR: query_embed.weight is missing'),
    (lambda state: state.update({f'{TEXT}embeddings.position_ids': torch.ones(1, 514).long()}),
     'position_ids would be'),
    (lambda state: state.update({'backbone.0.body.layer4.3.conv1.weight': torch.zeros(1)}),
     r'no ResNet.*\(3, 4, 23, 4\)'),
])
def test_other_files_are_refused(change, message):
    named_shapes = weights()
    change(named_shapes)
    with pytest.raises((CheckpointError, ValueError), match=message):
        convert_with_report('mdetr', named_shapes)
