"""Names of the published checkpoints of YOLO-RD (https://arxiv.org/abs/2410.15346): `rd-9c`, plain and Lightning form.

The network is YOLOv9-C with PGI and a Retriever-Dictionary after layer 4. Its layers have the numbers of YOLOv9's
files, but those of the main network begin at 0. Inside the blocks the same parts have other names.
"""
import re
from collections.abc import Mapping

from torch import Tensor

from ..unpickler import CheckpointError
from .rules import Recipe, Rule
from .yolov9 import BLOCKS, FORMS, PLAIN, UNIT, config_options, is_ramp

PREFIX = r'(?:model\.model\.)?'  # of Lightning's checkpoints
TENSORS = 1482
MAIN_HEAD, AUX_HEAD = 22, 38
DICTIONARY = dict(CG='generator', GIE='exchanger', D='dictionary')


def recognise(state_dict: Mapping[str, Tensor]) -> Recipe:
    """The recipe for `rd-9c`, with any number of atoms and of classes."""
    names = {re.sub(f'^{PREFIX}', '', name): tensor for name, tensor in state_dict.items()}
    needed = ('4.dconv.D.conv.weight', '22.heads.0.class_conv.0.conv.weight', '22.heads.0.class_conv.2.weight')
    if missing := [name for name in needed if name not in names]:
        raise CheckpointError(f'no rd-9c checkpoint of YOLO-RD: {missing[0]} is missing, the first name is '
                              f'{next(iter(state_dict), None)!r}')
    atoms, first, last = (names[name] for name in needed)
    options = {}
    for head, number in (('model.bbox_head', MAIN_HEAD), ('model.aux_head.head', AUX_HEAD)):
        first, last = (names[f'{number}.heads.0.class_conv.{part}.weight'] for part in ('0.conv', '2'))
        options |= config_options('c', head, first.shape[1], last.shape[1], last.shape[0])
    if atoms.shape[1] != 512:
        options['model.backbone.rd.num_atoms'] = atoms.shape[1]
    return Recipe('rd-9c', tuple(_rules()), TENSORS, last.shape[0], 'configs/yolo_rd/yolov9c_rd_coco.py', options)


def _rules() -> list[Rule]:
    rules = [rule for layer, name in FORMS[38, 256].layers.items() for rule in _layer_rules(layer, name)]
    rules += [Rule(rf'{PREFIX}4\.dconv\.{source}\.{UNIT}', rf'backbone.trunk.rd.1.{target}.\g<leaf>')
              for source, target in DICTIONARY.items()]
    for number, head in ((MAIN_HEAD, 'bbox_head'), (AUX_HEAD, 'aux_head.head')):
        rules.append(Rule(rf'{PREFIX}{number}\.heads\.\d\.anc2vec\.anc2vec\.weight', None, check=is_ramp))
        for source, target in (('anchor_conv', 'box_towers'), ('class_conv', 'class_towers')):
            start = rf'{PREFIX}{number}\.heads\.(\d)\.{source}\.'
            rules += [Rule(rf'{start}([01])\.{UNIT}', rf'{head}.{target}.\1.\2.\g<leaf>'),
                      Rule(rf'{start}2\.{PLAIN}', rf'{head}.{target}.\1.2.\g<leaf>')]
    return rules


def _layer_rules(layer: int, name: str) -> list[Rule]:
    start = rf'{PREFIX}{layer - 1 if layer <= MAIN_HEAD else layer}\.'
    if '.links.' in name:
        return [Rule(rf'{start}conv\.{PLAIN}', rf'{name}.conv.\g<leaf>')]
    inside = next(inside for pattern, inside in BLOCKS if re.fullmatch(pattern, name))
    return [Rule(start + source.replace('cv', 'conv').replace(r'\.m\.', r'\.bottleneck\.') + UNIT,
                 rf'{name}.{target}\g<leaf>') for source, target in inside.items()]
