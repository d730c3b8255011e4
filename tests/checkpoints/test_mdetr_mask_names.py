"""Published files of MDETR for PhraseCut, by name and shape: both backbones convert and load strictly."""
import pytest
import torch
from checkpoints.test_mdetr_names import efficientnet, weights
from golden.cases import Case
from mmdet.registry import MODELS
from mmengine.config import Config

from mmdet_ext.checkpoints import CheckpointError, convert_with_report
from mmdet_ext.text.tokenizer_training import save_encoder_folder, train_tokenizer


def segmenter(maps: tuple[int, ...] = (256, 512, 1024), **arguments) -> dict:
    """The tensors of a PhraseCut file, for backbone maps of these channels."""
    shapes = {name: tuple(shape) for name, shape, _ in Case('mdetr', 'model_segm').weights.tensors}
    tensors = {f'detr.{name}': tensor for name, tensor in weights(**arguments).items()
               if 'contrastive_align' not in name}
    tensors |= {name: torch.empty(shape, device='meta') for name, shape in shapes.items()
                if not name.startswith('detr.')}
    for number, width in enumerate(reversed(maps), 1):
        name = f'mask_head.adapter{number}.weight'
        tensors[name] = torch.empty((shapes[name][0], width, 1, 1), device='meta')
    return tensors


@pytest.mark.parametrize('maps, arguments, model, tensors, options', [
    ((256, 512, 1024), dict(), 'mdetr-r101-phrasecut', 949, {'model.backbone.out_indices': [0, 1, 2, 3]}),
    ((32, 48, 136), dict(body=efficientnet(), channels=384, text_layers=1), 'mdetr-effb3-phrasecut', 742,
     {'model.text_encoder.config.num_hidden_layers': 1, 'model.text_encoder.pretrained': False,
      'model.backbone.out_indices': [2, 3, 4, 5], 'model.mask_head.in_channels': [32, 48, 136]}),
])
def test_both_forms_convert_and_load_strictly(maps, arguments, model, tensors, options, tmp_path):
    published = segmenter(maps, **arguments)
    assert len(published) == tensors
    conversion = convert_with_report('mdetr', published)
    assert conversion.recipe.model == model
    assert conversion.recipe.options == options | {
        'model.type': 'MDETRSegmenter', 'model.mask_head.type': 'MDETRMaskHead', 'model.bbox_head.loss_align': None,
        'model.test_cfg.score_thr': 0.7}
    assert [row.source for row in conversion.rows if row.target is None] == [
        'detr.transformer.text_encoder.embeddings.position_ids']
    cfg = Config.fromfile(conversion.recipe.config)
    cfg.merge_from_dict(conversion.recipe.options)
    save_encoder_folder(train_tokenizer(['a red circle'], 300), tmp_path, layers=1, hidden_size=32, heads=2)
    cfg.model.text_encoder.update(name=str(tmp_path), pretrained=False,
                                  config=dict(num_hidden_layers=arguments.get('text_layers', 12)))
    with torch.device('cpu' if 'eff' in model else 'meta'):
        built = MODELS.build(cfg.model)
    built.to('meta').load_state_dict(conversion.state_dict, strict=True)


def test_every_adapter_and_convolution_gets_the_tensor_of_its_place():
    published = segmenter()
    marked = [name for name in published if not name.startswith('detr.')]
    published |= {name: torch.full(published[name].shape, float(i)) for i, name in enumerate(marked)}
    converted = convert_with_report('mdetr', published).state_dict
    parts = dict(lay='convs', gn='norms', adapter='adapters')
    for i, name in enumerate(marked):
        layer, leaf = name.split('.')[1:]
        kind, number = layer.rstrip('0123456789'), layer[-1]
        target = {'q_linear': 'attention.query', 'k_linear': 'attention.key', 'out_lay': 'out_conv'}.get(layer) \
            or f'{parts[kind]}.{int(number) - 1}'
        assert converted[f'mask_head.{target}.{leaf}'].flatten()[0] == i


@pytest.mark.parametrize('change, message', [
    (lambda tensors: tensors.pop('mask_head.gn4.bias'), '949 tensors, these are 948'),
    (lambda tensors: tensors.pop('detr.query_embed.weight'), 'no checkpoint of MDETR: query_embed.weight is missing'),
    (lambda tensors: tensors.pop('mask_head.adapter2.weight'), "'detr.', .* mask_head.adapter2.weight is missing"),
    (lambda tensors: tensors.update({'mask_head.lay6.weight': torch.zeros(1)}),
     'for 1 of 950 tensors:\n  mask_head.lay6'),
    (lambda tensors: tensors.update({'query_embed.weight': torch.zeros(1)}), 'for 1 of 950 tensors:\n  query_embed'),
])
def test_other_files_are_refused(change, message):
    tensors = segmenter()
    change(tensors)
    with pytest.raises((CheckpointError, ValueError), match=message):
        convert_with_report('mdetr', tensors)
