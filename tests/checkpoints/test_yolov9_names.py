import pytest
import torch
from checkpoints.published_names import shapes
from golden.cases import Case
from mmdet.registry import MODELS
from mmdet_ext.checkpoints import CheckpointError, convert, convert_with_report
from mmengine.config import Config
from mmengine.registry import DefaultScope

TENSORS = {
    'gelan-t': 1339, 'gelan-s': 1339, 'gelan-m': 907, 'gelan-c': 937, 'gelan-e': 1811,
    'yolov9-t': 1772, 'yolov9-s': 1772, 'yolov9-m': 1412, 'yolov9-c': 1460, 'yolov9-e': 2172
}
# the published recipe for the network without its auxiliary branch: its layers and head, by their numbers in training
DEPLOYED_LAYERS = dict(
    {size: {i + (size in 'mc'): i for i in range(22)} for size in 'tsmc'},
    e={i: i for i in range(1, 29)} | {i + 7: i for i in range(29, 42)})
DEPLOYED_HEADS = dict(t=(29, 22), s=(29, 22), m=(38, 22), c=(38, 22), e=(49, 42))
DEPLOYED_PARTS = dict(cv4='cv2', cv5='cv3', dfl2='dfl')


def meta_weights(name: str, **kwargs) -> dict[str, torch.Tensor]:
    """Tensors without memory, but for the constants that the converter looks at."""
    return {
        key: torch.arange(16.0).view(shape) if '.dfl' in key else torch.empty(shape, device='meta')
        for key, shape in shapes(name, **kwargs).items()
    }


def build(config: str, options: dict | None = None) -> torch.nn.Module:
    cfg = Config.fromfile(config)
    cfg.merge_from_dict(options or {})
    with DefaultScope.overwrite_default_scope('mmdet'), torch.device('meta'):
        return MODELS.build(cfg.model)


@pytest.mark.parametrize('case', ['yolov9_t_forward', 'yolov9_c_forward', 'gelan_s_forward'])
def test_the_table_of_these_tests_gives_the_published_names_and_shapes(case):
    published = {name: tuple(shape) for name, shape, _ in Case('yolov9', case).weights.tensors}
    assert shapes(case.removesuffix('_forward').replace('_', '-')) == published


@pytest.mark.parametrize('name', TENSORS)
def test_every_size_converts_and_loads_strictly_into_its_config(name):
    weights = meta_weights(name)
    assert len(weights) == TENSORS[name]
    conversion = convert_with_report('yolov9', weights)
    assert conversion.recipe.model == name
    assert conversion.recipe.num_classes == 80
    dropped = [row.source for row in conversion.rows if row.target is None]
    assert dropped == [key for key in weights if '.dfl' in key]
    build(conversion.recipe.config, conversion.recipe.options).load_state_dict(conversion.state_dict, strict=True)


@pytest.mark.parametrize('size', 'tsmce')
def test_dropping_the_auxiliary_branch_loads_into_the_config_without_it(size):
    conversion = convert_with_report('yolov9', meta_weights(f'yolov9-{size}'), drop_aux=True)
    assert conversion.recipe.config == f'configs/gelan/gelan{size}_coco.py'
    assert len(conversion.state_dict) == TENSORS[f'gelan-{size}'] - 1
    assert len(conversion.rows) == TENSORS[f'yolov9-{size}']
    build(conversion.recipe.config, conversion.recipe.options).load_state_dict(conversion.state_dict, strict=True)


@pytest.mark.parametrize('size', 'tsmce')
def test_dropping_the_auxiliary_branch_agrees_with_the_published_way_to_do_it(size):
    """Renumber layers and take the second head, then convert: each of our names gets the same tensor."""
    weights = meta_weights(f'yolov9-{size}')
    head, deployed_head = DEPLOYED_HEADS[size]
    published_way = {}  # deployed name -> name in training
    for name in weights:
        _, layer, rest = name.split('.', 2)
        part, _, inside = rest.partition('.')
        if int(layer) in DEPLOYED_LAYERS[size]:
            published_way[f'model.{DEPLOYED_LAYERS[size][int(layer)]}.{rest}'] = name
        elif int(layer) == head and part in DEPLOYED_PARTS:
            published_way[f'model.{deployed_head}.{DEPLOYED_PARTS[part]}.{inside}'] = name
    deployed = {name: weights[source] for name, source in published_way.items()}
    assert {name: tuple(tensor.shape) for name, tensor in deployed.items()} == shapes(f'gelan-{size}')
    published_sources = {row.target: published_way[row.source] for row in convert_with_report('yolov9', deployed).rows}
    sources = {row.target: row.source for row in convert_with_report('yolov9', weights, drop_aux=True).rows}
    assert len(published_sources) == TENSORS[f'gelan-{size}']
    named = [name for name in published_sources if name]
    assert {name: sources[name] for name in named} == {name: published_sources[name] for name in named}


@pytest.mark.parametrize('name, num_classes, class_channels, expected', [
    ('gelan-t', 80, 80, {}),
    ('gelan-t', 80, None, {'model.bbox_head.class_channels': 128}),
    ('gelan-t', 20, None, {'model.bbox_head.num_classes': 20, 'model.bbox_head.class_channels': 64}),
    ('gelan-c', 80, None, {}),
    ('yolov9-s', 3, None, {'model.bbox_head.num_classes': 3, 'model.aux_head.head.num_classes': 3}),
    ('yolov9-t', 80, None, {'model.bbox_head.class_channels': 128, 'model.aux_head.head.class_channels': 128}),
])
def test_what_a_file_differs_in_from_its_config_is_recognised(name, num_classes, class_channels, expected):
    weights = meta_weights(name, num_classes=num_classes, class_channels=class_channels)
    conversion = convert_with_report('yolov9', weights)
    assert conversion.recipe.num_classes == num_classes
    assert conversion.recipe.options == expected
    build(conversion.recipe.config, expected).load_state_dict(conversion.state_dict, strict=True)


def test_the_first_parts_of_a_dual_head_are_the_auxiliary_ones():
    weights = meta_weights('yolov9-s')
    marked = {'model.29.cv2.0.2.bias': 1.0, 'model.29.cv3.0.2.bias': 2.0, 'model.29.cv4.0.2.bias': 3.0,
              'model.29.cv5.0.2.bias': 4.0}
    weights |= {name: torch.full(weights[name].shape, value) for name, value in marked.items()}
    converted = convert('yolov9', weights)
    towers = [f'{head}.{tower}' for head in ('aux_head.head', 'bbox_head') for tower in ('box_towers', 'class_towers')]
    assert [converted[f'{tower}.0.2.bias'][0].item() for tower in towers] == [1, 2, 3, 4]


def test_half_precision_becomes_float32_and_counters_stay_integers():
    weights = meta_weights('gelan-t')
    weights['model.0.conv.weight'] = torch.full((16, 3, 3, 3), 0.1, dtype=torch.float16)
    weights['model.0.bn.num_batches_tracked'] = torch.tensor(70000)
    converted = convert('yolov9', weights)
    kernel = converted['backbone.trunk.downs.0.conv.weight']
    assert kernel.dtype == torch.float32
    assert kernel.equal(weights['model.0.conv.weight'].float())
    assert converted['backbone.trunk.downs.0.bn.num_batches_tracked'].item() == 70000


def test_the_published_tensors_are_not_touched():
    weights = meta_weights('gelan-t')
    weights['model.0.bn.weight'] = torch.ones(16)
    convert('yolov9', weights)['backbone.trunk.downs.0.bn.weight'].zero_()
    assert weights['model.0.bn.weight'].equal(torch.ones(16))


def test_every_left_over_name_is_listed():
    weights = meta_weights('gelan-t') | {'model.22.proto.cv1.conv.weight': torch.ones(1), 'extra': torch.ones(1)}
    with pytest.raises(CheckpointError, match=r'(?s)2 of 1341 tensors.*model\.22\.proto\.cv1\.conv\.weight\n  extra'):
        convert('yolov9', weights)


def test_a_network_with_plain_convolutions_between_stages_is_left_over():
    weights = {name.replace('model.3.cv1.', 'model.3.'): tensor for name, tensor in meta_weights('gelan-t').items()}
    with pytest.raises(CheckpointError, match=r'model\.3\.conv\.weight'):
        convert('yolov9', weights)


def test_a_missing_tensor_is_an_error():
    weights = meta_weights('gelan-t')
    del weights['model.15.cv4.bn.bias']
    with pytest.raises(ValueError, match='gelan-t has 1339 tensors, these are 1338'):
        convert('yolov9', weights)


def test_a_missing_head_is_an_error():
    weights = {name: tensor for name, tensor in meta_weights('gelan-t').items() if not name.startswith('model.22.cv3')}
    with pytest.raises(CheckpointError, match=r'model\.22\.cv3\.0\.0\.conv\.weight'):
        convert('yolov9', weights)


def test_other_bins_of_the_distributions_are_an_error():
    weights = meta_weights('yolov9-t')
    weights['model.29.dfl2.conv.weight'] = torch.arange(1.0, 17.0).view(1, 16, 1, 1)
    with pytest.raises(CheckpointError, match=r'model\.29\.dfl2\.conv\.weight'):
        convert('yolov9', weights)


def test_a_fused_checkpoint_is_an_error():
    weights = {name: tensor for name, tensor in meta_weights('gelan-t').items() if '.bn.' not in name}
    with pytest.raises(CheckpointError, match='fused'):
        convert('yolov9', weights)


@pytest.mark.parametrize('weights', [{}, {'conv1.weight': torch.ones(1)}], ids=['none', 'others'])
def test_a_checkpoint_of_another_system_is_an_error(weights):
    with pytest.raises(CheckpointError, match='no checkpoint of YOLOv9'):
        convert('yolov9', weights)


def test_an_unknown_size_is_an_error():
    weights = {name: tensor for name, tensor in meta_weights('gelan-t').items() if not name.startswith('model.22.')}
    with pytest.raises(CheckpointError, match='layer 21 as its last'):
        convert('yolov9', weights)


def test_an_unknown_system_is_an_error():
    with pytest.raises(ValueError, match="system should be one of yolov9.*'yolov5'"):
        convert('yolov5', {})


def test_a_branch_that_is_not_there_cannot_be_dropped():
    with pytest.raises(ValueError, match='drop_aux.*gelan-t'):
        convert('yolov9', meta_weights('gelan-t'), drop_aux=True)
