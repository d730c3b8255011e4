import pytest
import torch
from checkpoints.smca_names import shapes
from golden.cases import Case
from mmdet.registry import MODELS
from mmengine.config import Config

from mmdet_ext.checkpoints import CheckpointError, convert, convert_with_report
from mmdet_ext.checkpoints.smca import COCO_IDS

# arguments of `shapes`: number of tensors, config, what differs from it
FILES = [
    (dict(), 500, 'smca_r50_50e_coco', {}),
    (dict(depth=101), 755, 'smca_r101_50e_coco', {}),
    (dict(kinds=0), 488, 'smca_r50_50e_coco', {'model.decoder.dynamic_scale': 'type1'}),
    (dict(kinds=1), 500, 'smca_r50_50e_coco', {'model.decoder.dynamic_scale': 'type2'}),
    (dict(kinds=3), 500, 'smca_r50_50e_coco', {'model.decoder.dynamic_scale': 'type4'}),
    (dict(layers=3), 428, 'smca_r50_50e_coco', {'model.decoder.num_layers': 3}),
    (dict(encoder={}), 593, 'smca_ms_conv_r50_50e_coco', {}),
    (dict(encoder=dict(pointwise=False)), 569, 'smca_ms_conv_r50_50e_coco', {'model.encoder.pointwise': False}),
    (dict(encoder=dict(share_cross=False)), 641, 'smca_ms_conv_r50_50e_coco', {'model.encoder.share_cross': False}),
    (dict(encoder=dict(share_cross=False, kernel=5, layers=5)), 609, 'smca_ms_conv_r50_50e_coco',
     {'model.encoder.share_cross': False, 'model.encoder.kernel_size': 5, 'model.encoder.num_layers': 5}),
    (dict(depth=101, encoder=dict(share_cross=False)), 896, 'smca_ms_conv_r101_50e_coco', {}),
]


def meta_weights(**arguments) -> dict[str, torch.Tensor]:
    return {key: torch.empty(shape, device='meta') for key, shape in shapes(**arguments).items()}


def test_the_table_of_these_tests_gives_the_published_names_and_shapes():
    assert shapes() == {name: tuple(shape) for name, shape, _ in Case('smca', 'detector_r50').weights.tensors}


@pytest.mark.parametrize('arguments, tensors, config, options', FILES)
def test_every_form_converts_and_loads_strictly_into_its_config(arguments, tensors, config, options):
    weights = meta_weights(**arguments)
    assert len(weights) == tensors
    conversion = convert_with_report('smca', weights)
    assert conversion.recipe.config == f'configs/smca/{config}.py'
    assert dict(conversion.recipe.options) == options
    cfg = Config.fromfile(conversion.recipe.config)
    cfg.merge_from_dict(dict(conversion.recipe.options))
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    model.load_state_dict(conversion.state_dict, strict=True)


def test_class_rows_are_chosen_by_category_id():
    weights = {key: torch.zeros(shape) for key, shape in shapes(layers=1).items()}
    weights['class_embed.bias'] = torch.arange(92.0)
    assert len(COCO_IDS) == 80 and COCO_IDS[0] == 1 and COCO_IDS[-1] == 90
    assert convert('smca', weights)['bbox_head.fc_cls.bias'].tolist() == COCO_IDS


def test_another_number_of_classes_stays_whole():
    conversion = convert_with_report('smca', meta_weights(classes=7))
    assert len(conversion.state_dict['bbox_head.fc_cls.weight']) == 7
    assert conversion.recipe.options == {'model.bbox_head.num_classes': 7}


@pytest.mark.parametrize('change, message', [
    (lambda weights: weights.pop('transformer.decoder.layers.3.norm4.bias'), '500 tensors, these are 499'),
    (lambda weights: weights.update(surprise=torch.zeros(1)), 'no rule for 1 of 501 tensors:\n  surprise'),
    (lambda weights: weights.pop('query_embed.weight'), 'no checkpoint of SMCA-DETR: query_embed.weight is missing'),
])
def test_other_files_are_refused(change, message):
    weights = meta_weights()
    change(weights)
    with pytest.raises((CheckpointError, ValueError), match=message):
        convert('smca', weights)
