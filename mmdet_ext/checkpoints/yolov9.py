"""Names of the published checkpoints of YOLOv9 (https://arxiv.org/abs/2402.13616).

A published network is a numbered list of layers, the last one the head. `yolov9-X` files are of training: they have an
auxiliary branch, and their last layer holds two heads, of which `cv2`, `cv3`, `dfl` are the auxiliary one and `cv4`,
`cv5`, `dfl2` the main one. `gelan-X` and `yolov9-X-converted` files have the main network alone, and there `cv2`,
`cv3`, `dfl` are the main head.
"""
import re
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from ..unpickler import CheckpointError
from .rules import Recipe, Rule

# Names of our parts, by their places in the list of layers, counted from the first layer of the part.
TRUNK = {0: 'downs.0', 1: 'downs.1', 2: 'blocks.0', 3: 'downs.2', 4: 'blocks.1', 5: 'downs.3', 6: 'blocks.2',
         7: 'downs.4', 8: 'blocks.3'}
# with layers between that add projections of other maps
FUSED_TRUNK = {0: 'downs.0', 1: 'downs.1', 2: 'blocks.0', 3: 'downs.2', 5: 'blocks.1', 6: 'downs.3', 8: 'blocks.2',
               9: 'downs.4', 11: 'blocks.3'}
SECOND_TRUNK = {0: 'downs.0', 2: 'downs.1', 4: 'blocks.0', 5: 'downs.2', 7: 'blocks.1', 8: 'downs.3', 10: 'blocks.2',
                11: 'downs.4', 13: 'blocks.3'}
LINKS = {k: f'links.{k}' for k in range(5)}
TOP_DOWN = {0: 'top_down.spp', 3: 'top_down.middle', 6: 'top_down.fine'}
PAN = {**TOP_DOWN, 7: 'down_fine', 9: 'middle', 10: 'down_middle', 12: 'coarse'}


def _layer_names(first: int, prefix: str, part: Mapping[int, str]) -> dict[int, str]:
    return {first + step: f'{prefix}.{name}' for step, name in part.items()}


class Form(NamedTuple):
    """One published network: its size, whether it has the auxiliary branch, number of tensors, layers by our names."""
    arch: str
    with_aux: bool
    tensors: int
    layers: Mapping[int, str]


SINGLE = _layer_names(0, 'backbone.trunk', TRUNK) | _layer_names(9, 'neck', PAN)
PYRAMID = SINGLE | _layer_names(22, 'aux_head.branch', TOP_DOWN)
REVERSIBLE = {
    **_layer_names(1, 'backbone.trunk', TRUNK),
    **_layer_names(10, 'neck', PAN),
    **_layer_names(23, 'aux_head.branch', {k: LINKS[k] for k in range(3)}),
    **_layer_names(26, 'aux_head.branch.trunk', FUSED_TRUNK)
}
TWO_PASSES = {
    **_layer_names(1, 'backbone.trunk', TRUNK),
    **_layer_names(10, 'backbone', LINKS),
    **_layer_names(15, 'backbone.second_trunk', SECOND_TRUNK)
}
# (number of the last layer, channels after the first ELAN block) -> form
FORMS = {
    (22, 32): Form('t', False, 1339, SINGLE),
    (22, 64): Form('s', False, 1339, SINGLE),
    (22, 128): Form('m', False, 907, SINGLE),
    (22, 256): Form('c', False, 937, SINGLE),
    (42, 256): Form('e', False, 1811, TWO_PASSES | _layer_names(29, 'neck', PAN)),
    (29, 32): Form('t', True, 1772, PYRAMID),
    (29, 64): Form('s', True, 1772, PYRAMID),
    (38, 128): Form('m', True, 1412, REVERSIBLE),
    (38, 256): Form('c', True, 1460, REVERSIBLE),
    (49, 256): Form('e', True, 2172,
                    TWO_PASSES | _layer_names(29, 'aux_head.branch', TOP_DOWN) | _layer_names(36, 'neck', PAN)),
}

# Names inside a block, published -> our name. Each is followed by the tensors of a convolution and its batch norm.
UNIT = r'(?P<leaf>conv\.weight|bn\.(?:weight|bias|running_mean|running_var|num_batches_tracked))'
PLAIN = r'(?P<leaf>weight|bias)'
ELAN = {r'cv1\.': 'split.', r'cv4\.': 'merge.'}
for _source, _target in (('cv2', 'stages.0'), ('cv3', 'stages.1')):
    ELAN |= {
        rf'{_source}\.': f'{_target}.',
        rf'{_source}\.1\.': f'{_target}.1.',
        rf'{_source}\.0\.cv1\.': f'{_target}.0.main.',
        rf'{_source}\.0\.cv2\.': f'{_target}.0.skip.',
        rf'{_source}\.0\.cv3\.': f'{_target}.0.merge.',
        rf'{_source}\.0\.m\.(\d+)\.cv1\.conv1\.': rf'{_target}.0.blocks.\1.rep.conv3x3.',
        rf'{_source}\.0\.m\.(\d+)\.cv1\.conv2\.': rf'{_target}.0.blocks.\1.rep.conv1x1.',
        rf'{_source}\.0\.m\.(\d+)\.cv2\.': rf'{_target}.0.blocks.\1.conv.'
    }
# (our name of a block, names inside)
BLOCKS = (
    (r'.*\bdowns\.[01]', {'': ''}),
    (r'.*\bdown(s\.\d|_\w+)', {r'cv1\.': 'conv.', r'cv2\.': 'pool_conv.'}),
    (r'.*\bspp', {r'cv1\.': 'reduce.', r'cv5\.': 'merge.'}),
    (r'.*\b(blocks\.\d|fine|middle|coarse)', ELAN),
)


def recognise(state_dict: Mapping[str, Tensor]) -> Recipe:
    """The recipe for a checkpoint of size t, s, m, c or e, with or without the auxiliary branch."""
    names = [name for name in state_dict if re.match(r'model\.\d+\.', name)]
    if not names:
        raise CheckpointError(f'no checkpoint of YOLOv9: no name begins with model.NUMBER., '
                              f'the first is {next(iter(state_dict), None)!r}')
    if not any('.bn.' in name for name in names):
        raise CheckpointError('a fused checkpoint: its batch norms are folded into the convolutions, and only files '
                              'with batch norms can be read')
    layers = {int(name.split('.')[1]) for name in names}
    last, block = max(layers), min(layers) + 2
    width = len(state_dict.get(f'model.{block}.cv4.conv.weight', ()))
    if (last, width) not in FORMS:
        raise CheckpointError(f'no size of YOLOv9 known here has layer {last} as its last and {width} channels after '
                              f'its first block (layer {block}); known are the detectors t, s, m, c, e')
    return _recipe(FORMS[last, width], last, state_dict)


def _recipe(form: Form, head: int, state_dict: Mapping[str, Tensor]) -> Recipe:
    rules = [rule for layer, name in form.layers.items() for rule in _layer_rules(layer, name)]
    main_parts = ('cv4', 'cv5') if form.with_aux else ('cv2', 'cv3')
    rules += _head_rules(head, *main_parts, 'bbox_head')
    main = _class_tower(state_dict, f'model.{head}.{main_parts[1]}')
    options = config_options(form.arch, 'model.bbox_head', *main)
    config = f'configs/gelan/gelan{form.arch}_coco.py'
    recipe = Recipe(f'gelan-{form.arch}', tuple(rules), form.tensors, main[2], config, options)
    if not form.with_aux:
        return recipe
    aux = _class_tower(state_dict, f'model.{head}.cv3')
    return recipe._replace(
        model=f'yolov9-{form.arch}',
        rules=(*rules, *_head_rules(head, 'cv2', 'cv3', 'aux_head.head')),
        config=f'configs/yolov9/yolov9{form.arch}_coco.py',
        options=options | config_options(form.arch, 'model.aux_head.head', *aux),
        without_aux=(config, options))


def _layer_rules(layer: int, name: str) -> list[Rule]:
    start = rf'model\.{layer}\.'
    if '.links.' in name:
        return [Rule(rf'{start}conv\.{PLAIN}', rf'{name}.conv.\g<leaf>')]
    inside = next(inside for pattern, inside in BLOCKS if re.fullmatch(pattern, name))
    return [Rule(start + source + UNIT, rf'{name}.{target}\g<leaf>') for source, target in inside.items()]


def _head_rules(layer: int, boxes: str, classes: str, name: str) -> list[Rule]:
    rules = [Rule(rf'model\.{layer}\.dfl2?\.conv\.weight', None, check=is_ramp)]
    for source, target in ((boxes, 'box_towers'), (classes, 'class_towers')):
        start = rf'model\.{layer}\.{source}\.(\d)\.'
        rules += [
            Rule(rf'{start}([01])\.{UNIT}', rf'{name}.{target}.\1.\2.\g<leaf>'),
            Rule(rf'{start}2\.{PLAIN}', rf'{name}.{target}.\1.2.\g<leaf>')
        ]
    return rules


def is_ramp(tensor: Tensor) -> bool:
    """Whether these are the bins 0, 1, ..., 15 of the distributions, which our head has as constants."""
    return torch.equal(tensor.flatten().float(), torch.arange(16.0))


def _class_tower(state_dict: Mapping[str, Tensor], tower: str) -> tuple[int, int, int]:
    """Channels of the first level, of its class tower, and the number of classes."""
    try:
        first, last = state_dict[f'{tower}.0.0.conv.weight'], state_dict[f'{tower}.0.2.weight']
    except KeyError as error:
        raise CheckpointError(f'incomplete: {error} is missing') from error
    return first.shape[1], last.shape[1], last.shape[0]


def config_options(arch: str, head: str, channels: int, class_channels: int, num_classes: int) -> dict[str, int]:
    """Where the file differs from the configs, which are for 80 classes and, in size t, class towers 80 wide."""
    options = {}
    if num_classes != 80:
        options[f'{head}.num_classes'] = num_classes
    if class_channels != (80 if arch == 't' else channels):
        options[f'{head}.class_channels'] = class_channels
    return options
