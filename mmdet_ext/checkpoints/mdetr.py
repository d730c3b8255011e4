"""Names of the published checkpoints of MDETR (https://arxiv.org/abs/2104.12763).

Those of pre-training, Flickr30k, RefCOCO and LVIS; of question answering with `mdetr_answers`, of PhraseCut with
`mdetr_masks`.
"""
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor

from ..unpickler import CheckpointError
from .mdetr_answers import answer_recipe
from .mdetr_masks import add_masks, split_masks
from .rules import Recipe, Rule

ATTENTION = r'(?P<leaf>in_proj_weight|in_proj_bias|out_proj\.weight|out_proj\.bias)'
UNIT = r'(?P<leaf>weight|bias)'
ENCODER, DECODER = r'transformer\.encoder\.layers\.(\d+)\.', r'transformer\.decoder\.layers\.(\d+)\.'
TEXT = 'transformer.text_encoder.encoder.layer.'
BODY = 'backbone.0.body.'
RESNETS = {(2, 2, 2, 2): (18, 100), (3, 4, 6, 3): (50, 265), (3, 4, 23, 3): (101, 520)}  # depth, tensors
EFFICIENTNETS = {(2, 3, 3, 5, 5, 6, 2): 'b3', (3, 5, 5, 7, 7, 9, 3): 'b5'}
TASK_CONFIGS = {  # of models that have one beside that of pre-training
    'mdetr-r101-gqa': 'mdetr_r101_gqa', 'mdetr-effb5-gqa': 'mdetr_effb5_gqa', 'mdetr-r18-clevr': 'mdetr_r18_clevr',
    'mdetr-r101-phrasecut': 'mdetr_r101_phrasecut_masks'}
# mmdet's EfficientNet has two of the published stages in each of its last two
MERGED = {0: (1, None), 1: (2, None), 2: (3, None), 3: (4, None), 4: (4, 3), 5: (5, None), 6: (5, 5)}
FIRST_BLOCK = dict(conv_dw='depthwise_conv.conv', bn1='depthwise_conv.bn', conv_pw='linear_conv.conv',
                   bn2='linear_conv.bn')
BLOCK = dict(conv_pw='expand_conv.conv', bn1='expand_conv.bn', conv_dw='depthwise_conv.conv', bn2='depthwise_conv.bn',
             conv_pwl='linear_conv.conv', bn3='linear_conv.bn')
SQUEEZE = {'se.conv_reduce': 'se.conv1.conv', 'se.conv_expand': 'se.conv2.conv'}


def recognise(state_dict: Mapping[str, Tensor]) -> Recipe:
    """The recipe for a detector of any backbone and depth, with or without a mask head around it."""
    detector, masks = split_masks(state_dict)
    recipe = _recognise_detector(detector)
    recipe = recipe if masks is None else add_masks(recipe, masks)
    task_config = TASK_CONFIGS.get(recipe.model)
    # those of GQA and PhraseCut have no alignment, and no option can put a loss in the place of None
    if task_config and ('clevr' in task_config or 'model.bbox_head.loss_align' in recipe.options):
        recipe = recipe._replace(config=f'configs/mdetr/{task_config}.py')
    return recipe


def _recognise_detector(state_dict: Mapping[str, Tensor]) -> Recipe:
    needed = ('transformer.resizer.fc.weight', 'query_embed.weight', 'class_embed.weight', 'input_proj.weight')
    if missing := [name for name in needed if name not in state_dict]:
        raise CheckpointError(f'no checkpoint of MDETR: {missing[0]} is missing, the first name is '
                              f'{next(iter(state_dict), None)!r}')
    backbone, config, rules, tensors, options = backbone_recipe(state_dict)
    encoder, decoder = _depth(state_dict, ENCODER), _depth(state_dict, DECODER)
    text = _depth(state_dict, re.escape(TEXT) + r'(\d+)\.')
    queries = len(state_dict['query_embed.weight'])
    aligned = 'contrastive_align_projection_text.weight' in state_dict
    contrasted = 'transformer.CLS.weight' in state_dict
    start = 'transformer.text_encoder.embeddings.'
    buffers = sum(start + name in state_dict for name in ('position_ids', 'token_type_ids'))
    settings = {'model.encoder.num_layers': (encoder, 6), 'model.decoder.num_layers': (decoder, 6),
             'model.num_queries': (queries, 100), 'model.text_encoder.config.num_hidden_layers': (text, 12)}
    options |= {name: value for name, (value, usual) in settings.items() if value != usual}
    if text != 12:
        options['model.text_encoder.pretrained'] = False  # no published weights have this depth
    if not aligned:
        options['model.bbox_head.loss_align'] = None
    if contrasted:
        options['model.loss_image_text.type'] = 'ImageTextContrastiveLoss'
    if 'isfinal_embed.weight' in state_dict:
        options['model.bbox_head.predict_final'] = True
        tensors += 2
    answers = answer_recipe(state_dict)
    tensors += 7 + buffers + 16 * text + 4 + 13 + 12 * encoder + 18 * decoder + 4 * aligned + 3 * contrasted
    model = f'mdetr-{backbone}' + (answers.name and f'-{answers.name}')
    return Recipe(model, (*rules, *_rules(), *answers.rules), tensors + answers.tensors, 1, config,
                  options | answers.options)


class BackboneRecipe(NamedTuple):
    """Its name, config, rules, number of tensors, and what differs from the config."""
    name: str
    config: str
    rules: list[Rule]
    tensors: int
    options: dict[str, Any]


def backbone_recipe(state_dict: Mapping[str, Tensor]) -> BackboneRecipe:
    """What the backbone's names say."""
    if f'{BODY}conv_stem.weight' in state_dict:
        depths = _block_counts(state_dict, rf'{re.escape(BODY)}blocks\.(\d+)\.(\d+)\.')
        if depths not in EFFICIENTNETS:
            raise CheckpointError(f'no EfficientNet of MDETR has stages of {depths} blocks')
        arch = EFFICIENTNETS[depths]
        tensors = 5 + 14 * depths[0] + 19 * sum(depths[1:])
        config = f'configs/mdetr/mdetr_eff{arch}_pretrain.py'
        return BackboneRecipe(f'eff{arch}', config, _efficientnet_rules(depths), tensors, {})
    depths = _block_counts(state_dict, rf'{re.escape(BODY)}layer(\d+)\.(\d+)\.')
    if depths not in RESNETS:
        raise CheckpointError(f'no ResNet of MDETR has stages of {depths} blocks')
    depth, tensors = RESNETS[depths]
    options = {} if depth == 101 else {'model.backbone.depth': depth}
    if depth == 18:
        options['model.neck.in_channels'] = [512]
    rules = [Rule(rf'{re.escape(BODY)}(.+)', r'backbone.\1')]
    return BackboneRecipe(f'r{depth}', 'configs/mdetr/mdetr_r101_pretrain.py', rules, tensors, options)


def _block_counts(state_dict: Mapping[str, Tensor], pattern: str) -> tuple[int, ...]:
    blocks: dict[int, int] = {}
    for match in filter(None, map(re.compile(pattern).match, state_dict)):
        stage, block = int(match[1]), int(match[2])
        blocks[stage] = max(blocks.get(stage, 0), block + 1)
    return tuple(blocks[stage] for stage in sorted(blocks))


def _efficientnet_rules(depths: tuple[int, ...]) -> list[Rule]:
    start = re.escape(BODY)
    rules = [Rule(rf'{start}conv_stem\.(.+)', r'backbone.layers.0.conv.\1'),
             Rule(rf'{start}bn1\.(.+)', r'backbone.layers.0.bn.\1')]
    for stage, depth in enumerate(depths):
        layer, before = MERGED[stage]
        for block in range(depth):
            target_block = f'backbone.layers.{layer}.{block + (depths[before] if before is not None else 0)}'
            for source, target in {**(FIRST_BLOCK if stage == 0 else BLOCK), **SQUEEZE}.items():
                pattern = rf'{start}blocks\.{stage}\.{block}\.{re.escape(source)}\.([^.]+)'
                rules.append(Rule(pattern, rf'{target_block}.{target}.\1'))
    return rules


def _depth(state_dict: Mapping[str, Tensor], layers: str) -> int:
    return 1 + max((int(match[1]) for match in map(re.compile(layers).match, state_dict) if match), default=-1)


def _rules() -> list[Rule]:
    rules = [
        Rule(r'transformer\.text_encoder\.embeddings\.(position_ids|token_type_ids)', None, check=_is_count_or_zero),
        Rule(r'transformer\.text_encoder\.(.+)', r'text_encoder.language_model.\1'),
        Rule(r'transformer\.resizer\.(fc|layer_norm)\.(weight|bias)', r'resizer.\1.\2'),
        Rule(r'transformer\.CLS\.weight', 'image_token.weight'),
        Rule(r'contrastive_projection_(image|text)\.weight', r'\1_projection.weight'),
        Rule(rf'input_proj\.{UNIT}', r'neck.convs.0.conv.\g<leaf>'),
        Rule(r'query_embed\.weight', 'query_embedding.weight'),
        Rule(rf'class_embed\.{UNIT}', r'bbox_head.fc_cls.\g<leaf>'),
        Rule(rf'bbox_embed\.layers\.(\d)\.{UNIT}', r'bbox_head.reg_mlp.layers.\1.\g<leaf>'),
        Rule(rf'isfinal_embed\.{UNIT}', r'bbox_head.fc_final.\g<leaf>'),
        Rule(rf'contrastive_align_projection_image\.{UNIT}', r'bbox_head.align_query.\g<leaf>'),
        Rule(rf'contrastive_align_projection_text\.{UNIT}', r'bbox_head.align_token.\g<leaf>'),
        Rule(rf'{ENCODER}self_attn\.{ATTENTION}', r'encoder.layers.\1.attentions.0.\g<leaf>'),
        Rule(rf'{DECODER}self_attn\.{ATTENTION}', r'decoder.layers.\1.self_attn.\g<leaf>'),
        Rule(rf'{DECODER}cross_attn_image\.{ATTENTION}', r'decoder.layers.\1.cross_attn.\g<leaf>'),
        Rule(rf'transformer\.decoder\.norm\.{UNIT}', r'decoder.post_norm.\g<leaf>'),
    ]
    encoder = dict(linear1='ffns.0.layers.0.0', linear2='ffns.0.layers.1', norm1='norms.0', norm2='norms.1')
    decoder = dict(linear1='ffn.layers.0.0', linear2='ffn.layers.1', norm1='norms.0', norm3='norms.1', norm4='norms.2')
    for start, name, parts in ((ENCODER, 'encoder', encoder), (DECODER, 'decoder', decoder)):
        rules += [Rule(rf'{start}{source}\.{UNIT}', rf'{name}.layers.\1.{target}.\g<leaf>')
                  for source, target in parts.items()]
    return rules


def _is_count_or_zero(tensor: Tensor) -> bool:
    row = tensor.flatten()
    return bool((row == 0).all()) or bool((row == row.new_tensor(range(len(row)))).all())
