"""Names of the published checkpoints of SMCA-DETR (https://arxiv.org/abs/2101.07448): single and multi-scale."""
import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ..unpickler import CheckpointError
from .rules import Recipe, Rule

# The rows of the class layer are COCO's category ids, 0 to 90, and a slot that never fires.
COCO_IDS = [i for i in range(1, 91) if i not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)]
PUBLISHED_CLASSES = 92
ATTENTION = r'(?P<leaf>in_proj_weight|in_proj_bias|out_proj\.weight|out_proj\.bias)'
UNIT = r'(?P<leaf>weight|bias)'
ENCODER, DECODER = r'transformer\.encoder\.layers\.(\d+)\.', r'transformer\.decoder\.layers\.(\d+)\.'
SCALE_TYPES = {0: 'type1', 1: 'type2', 2: 'type3', 3: 'type4'}
NUM_HEADS = 8


def recognise(state_dict: Mapping[str, Tensor]) -> Recipe:
    """The recipe for a file of any type, depth and width, with ResNet-50 or -101."""
    needed = ('transformer.decoder.layers.0.point2.weight', 'transformer.decoder.layers.0.linear1.weight',
              'query_embed.weight', 'class_embed.weight', 'backbone.0.body.layer3.5.conv1.weight')
    if missing := [name for name in needed if name not in state_dict]:
        raise CheckpointError(f'no checkpoint of SMCA-DETR: {missing[0]} is missing, the first name is '
                              f'{next(iter(state_dict), None)!r}')
    multi_scale = 'transformer.level_embed' in state_dict
    depth = 101 if 'backbone.0.body.layer3.6.conv1.weight' in state_dict else 50
    rows = len(state_dict['class_embed.weight'])
    classes = len(COCO_IDS) if rows == PUBLISHED_CLASSES else rows
    options, tensors = _options(state_dict, multi_scale, depth, classes)
    kind = 'ms_conv' if multi_scale else 'single'
    config = f'configs/smca/smca_{"ms_conv_" if multi_scale else ""}r{depth}_50e_coco.py'
    rules = [*shared_rules(classes != rows), *(_conv_encoder_rules() if multi_scale else encoder_rules())]
    return Recipe(f'smca-{kind}-r{depth}', tuple(rules), tensors, classes, config, options)


def _options(state_dict: Mapping[str, Tensor], multi_scale: bool, depth: int, classes: int) -> tuple[dict, int]:
    """The options in which the file differs from its config, and how many tensors such a file has."""
    scales = 4 if multi_scale else 1
    decoder, encoder = _depth(state_dict, DECODER), _depth(state_dict, ENCODER)
    point3 = state_dict.get('transformer.decoder.layers.0.point3.weight')
    per_head = 0 if point3 is None else len(point3) // (NUM_HEADS * scales)
    width = len(state_dict['transformer.decoder.layers.0.linear1.weight'])
    settings: dict[str, Any] = {'num_queries': len(state_dict['query_embed.weight']), 'decoder.num_layers': decoder,
                             'encoder.num_layers': encoder, 'decoder.layer_cfg.ffn_cfg.feedforward_channels': width,
                             'bbox_head.num_classes': classes, 'decoder.dynamic_scale': SCALE_TYPES.get(per_head)}
    usual = {'num_queries': 300, 'decoder.num_layers': 6, 'encoder.num_layers': 6, 'bbox_head.num_classes': 80,
             'decoder.layer_cfg.ffn_cfg.feedforward_channels': 1024 if multi_scale else 2048,
             'decoder.dynamic_scale': 'type3'}
    tensors = (520 if depth == 101 else 265) + 6 + 2 + 1 + 6 + 2 + decoder * (24 if per_head else 22)
    if multi_scale:
        first = 'transformer.encoder.layers.0.'
        pointwise, shared = f'{first}conv_1.weight' in state_dict, f'{first}high_to_low.weight' in state_dict
        settings |= {'encoder.kernel_size': state_dict[f'{first}self_attn_8.weight'].shape[-1],
                  'encoder.feedforward_channels': len(state_dict[f'{first}linear1.weight']),
                  'encoder.pointwise': pointwise, 'encoder.share_cross': shared}
        usual |= {'encoder.kernel_size': 7, 'encoder.feedforward_channels': 1024, 'encoder.pointwise': True,
                  'encoder.share_cross': depth == 50}
        tensors += encoder * (16 + 4 * pointwise + (4 if shared else 12)) + 1 + 2 + 8 + 2 * decoder
    else:
        settings['encoder.layer_cfg.ffn_cfg.feedforward_channels'] = len(
            state_dict['transformer.encoder.layers.0.linear1.weight'])
        usual['encoder.layer_cfg.ffn_cfg.feedforward_channels'] = 2048
        tensors += encoder * 12 + 2
    return {f'model.{key}': value for key, value in settings.items() if value != usual[key]}, tensors


def _depth(state_dict: Mapping[str, Tensor], layers: str) -> int:
    return 1 + max((int(match[1]) for match in map(re.compile(layers).match, state_dict) if match), default=-1)


def shared_rules(choose_rows: bool = False) -> list[Rule]:
    rows = (lambda tensor: tensor[COCO_IDS]) if choose_rows else None
    mlp = [(r'0', 'reg_ffn.layers.0.0'), (r'1', 'reg_ffn.layers.1'), (r'2', 'fc_reg')]
    return [
        Rule(r'backbone\.0\.body\.(.+)', r'backbone.\1'),
        Rule(r'query_embed\.weight', 'query_embedding.weight'),
        Rule(rf'class_embed\.{UNIT}', r'bbox_head.fc_cls.\g<leaf>', change=rows),
        *(Rule(rf'bbox_embed\.layers\.{source}\.{UNIT}', rf'bbox_head.{target}.\g<leaf>') for source, target in mlp),
        Rule(rf'{DECODER}self_attn\.{ATTENTION}', r'decoder.layers.\1.self_attn.\g<leaf>'),
        Rule(rf'{DECODER}multihead_attn\.{ATTENTION}', r'decoder.layers.\1.cross_attn.\g<leaf>'),
        *(Rule(rf'{DECODER}{source}\.{UNIT}', rf'decoder.layers.\1.{target}.\g<leaf>') for source, target in (
            ('linear1', 'ffn.layers.0.0'), ('linear2', 'ffn.layers.1'), ('norm1', 'norms.0'), ('norm2', 'norms.1'),
            ('norm3', 'norms.2'), ('norm4', 'modulation.norm'), ('point2', 'modulation.offset'),
            ('point3', 'modulation.scale'), ('point4', 'modulation.selection'))),
        Rule(rf'transformer\.decoder\.layers\.0\.point1\.layers\.(\d)\.{UNIT}', r'decoder.centre.layers.\1.\g<leaf>'),
        Rule(rf'transformer\.decoder\.norm\.{UNIT}', r'decoder.post_norm.\g<leaf>'),
    ]


def encoder_rules() -> list[Rule]:
    return [
        Rule(rf'input_proj\.{UNIT}', r'neck.convs.0.conv.\g<leaf>'),
        Rule(rf'{ENCODER}self_attn\.{ATTENTION}', r'encoder.layers.\1.attentions.0.\g<leaf>'),
        *(Rule(rf'{ENCODER}{source}\.{UNIT}', rf'encoder.layers.\1.{target}.\g<leaf>') for source, target in (
            ('linear1', 'ffns.0.layers.0.0'), ('linear2', 'ffns.0.layers.1'), ('norm1', 'norms.0'),
            ('norm2', 'norms.1'))),
    ]


def _conv_encoder_rules() -> list[Rule]:
    parts = [('linear1', 'ffn.layers.0.0'), ('linear2', 'ffn.layers.1'), ('norm1', 'norms.0'), ('norm2', 'norms.1'),
             ('conv_1', 'before'), ('conv_2', 'after'), ('high_to_low', 'down.0'), ('low_to_high', 'up.0')]
    parts += [(f'self_attn_{8 * 2**i}', f'own.{i}') for i in range(4)]
    parts += [(f'high_to_low_{i + 1}', f'down.{i}') for i in range(3)]
    parts += [(f'low_to_high_{i + 1}', f'up.{i}') for i in range(3)]
    necks = [('512', 'convs.0'), ('1024', 'convs.1'), ('2048', 'convs.2'), ('2048_3', 'extra_convs.0')]
    return [
        Rule(r'transformer\.level_embed', 'level_embed'),
        Rule(rf'transformer\.conv\.{UNIT}', r'encoder.reduction.\g<leaf>'),
        *(Rule(rf'input_proj_{source}\.{UNIT}', rf'neck.{target}.conv.\g<leaf>') for source, target in necks),
        *(Rule(rf'{ENCODER}{source}\.{UNIT}', rf'encoder.layers.\1.{target}.\g<leaf>') for source, target in parts),
    ]
