"""Names of the PhraseCut checkpoints of MDETR (https://arxiv.org/abs/2104.12763): a detector, and masks around it."""
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ..unpickler import CheckpointError
from .rules import Recipe, Rule

DETECTOR = 'detr.'
UNIT = r'(?P<leaf>weight|bias)'
_STAGES = 3  # of the backbone that the mask head sees, besides the last
_TENSORS = 4 + 2 * 5 + 2 * 5 + 2 * _STAGES + 2
_USUAL = [256, 512, 1024]  # channels of a ResNet-50 or -101


def split_masks(state_dict: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor] | None]:
    """The detector's tensors without their prefix, and the others; all and None where names have no prefix."""
    if not any(name.startswith(DETECTOR) for name in state_dict):
        return dict(state_dict), None
    detector = {name.removeprefix(DETECTOR): tensor for name, tensor in state_dict.items() if name.startswith(DETECTOR)}
    return detector, {name: tensor for name, tensor in state_dict.items() if not name.startswith(DETECTOR)}


def add_masks(detector: Recipe, masks: Mapping[str, Tensor]) -> Recipe:
    """The recipe of a segmenter.

    Args:
        detector: Of its detector.
        masks: The other tensors.

    Raises:
        CheckpointError: If the mask head is not all there.
    """
    # adapter1 is for the smallest map
    adapters = [f'mask_head.adapter{number}.weight' for number in range(_STAGES, 0, -1)]
    if missing := [name for name in adapters if name not in masks]:
        raise CheckpointError(f'names start with {DETECTOR!r}, as for PhraseCut, but {missing[0]} is missing')
    channels = [masks[name].shape[1] for name in adapters]
    options: dict[str, Any] = {'model.type': 'MDETRSegmenter', 'model.mask_head.type': 'MDETRMaskHead',
                               'model.test_cfg.score_thr': 0.7,
                               'model.backbone.out_indices': [2, 3, 4, 5] if '-eff' in detector.model else [0, 1, 2, 3]}
    if channels != _USUAL:
        options['model.mask_head.in_channels'] = channels
    rules = [rule._replace(pattern=f'detr\\.(?:{rule.pattern})') for rule in detector.rules]
    return detector._replace(model=f'{detector.model}-phrasecut', rules=(*rules, *_rules()),
                             tensors=detector.tensors + _TENSORS, options=dict(detector.options) | options)


def _rules() -> list[Rule]:
    rules = [Rule(rf'bbox_attention\.q_linear\.{UNIT}', r'mask_head.attention.query.\g<leaf>'),
             Rule(rf'bbox_attention\.k_linear\.{UNIT}', r'mask_head.attention.key.\g<leaf>'),
             Rule(rf'mask_head\.out_lay\.{UNIT}', r'mask_head.out_conv.\g<leaf>')]
    for source, target, count in (('lay', 'convs', 5), ('gn', 'norms', 5), ('adapter', 'adapters', _STAGES)):
        rules += [Rule(rf'mask_head\.{source}{number}\.{UNIT}', rf'mask_head.{target}.{number - 1}.\g<leaf>')
                  for number in range(1, count + 1)]
    return rules
