"""The parts of the grid, and the lines of a config that add each of them to a detector, as docs/mixing.md has them."""
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from mmengine.config import ConfigDict

from .hosts import QUERIES, WORDED, Host

GELAN_4 = """model = dict(
    backbone=dict(_delete_=True, type='GELAN', arch='t', out_indices=(0, 1, 2, 3)),
    neck=dict(in_channels=[32, 64, 96, 128]))"""
GELAN_3 = """model = dict(
    backbone=dict(_delete_=True, type='GELAN', arch='t', out_indices=(1, 2, 3)),
    neck=dict(in_channels=[64, 96, 128]))"""
GELAN_2 = """model = dict(
    backbone=dict(_delete_=True, type='GELAN', arch='t', out_indices=(2, 3)),
    neck=dict(in_channels=[96, 128]))"""
GELAN_1 = """model = dict(
    backbone=dict(_delete_=True, type='GELAN', arch='t', out_indices=(3, )),
    neck=dict(in_channels=[128]))"""
RD_NECK = """neck = _base_.model.neck
model = dict(neck=[neck, dict(type='RDNeck', in_channels=[neck.out_channels] * neck.num_outs)])"""
RD_NECK_3 = """neck = _base_.model.neck
model = dict(neck=[neck, dict(type='RDNeck', in_channels=[neck.out_channels] * 3)])"""
RD_NECK_OURS = "model = dict(neck=[_base_.model.neck, dict(type='RDNeck', in_channels=[64, 96, 128])])"
RD_BACKBONE = "model = dict(backbone=dict(type='RD', backbone=_base_.model.backbone.type, rd=dict(stage=1)))"
PGI = """channels = _base_.model.neck.in_channels
model = dict(
    type='PGI',
    detector=_base_.model.type,
    aux_head=dict(
        type='PGIAuxHead',
        branch=dict(type='ReversibleBranch', arch='t', in_channels=channels[-3:], in_indices=(-3, -2, -1)),
        head=dict(type='YOLOv9Head', num_classes=80, in_channels=(64, 96, 128), sum_over_images=False)))"""
PGI_FEW = """channels = _base_.model.neck.in_channels
strides = (8, 16, 32)[-len(channels):]
model = dict(
    type='PGI',
    detector=_base_.model.type,
    aux_head=dict(
        type='PGIAuxHead',
        branch=dict(type='IdentityBranch'),
        head=dict(
            type='YOLOv9Head', num_classes=80, in_channels=channels, strides=strides, sum_over_images=False)))"""
PGI_OURS = """model = dict(
    aux_head=dict(
        _delete_=True,
        type='PGIAuxHead',
        branch=dict(type='ReversibleBranch', arch='t'),
        head=dict(type='YOLOv9Head', num_classes=80, in_channels=(64, 96, 128))))"""
YOLOV9_HEAD_5 = """model = dict(
    bbox_head=dict(
        _delete_=True, type='YOLOv9Head', num_classes=80, in_channels=[256] * 5, strides=(8, 16, 32, 64, 128)),
    train_cfg=None,
    test_cfg=None)"""
YOLOV9_HEAD_3 = """model = dict(
    bbox_head=dict(
        _delete_=True, type='YOLOv9Head', num_classes=80, in_channels=[_base_.model.neck.out_channels] * 3),
    train_cfg=None,
    test_cfg=None)"""
SMCA = "model = dict(type='SMCA', detector=_base_.model.type)"
TEXT_FUSION = """fusion = dict(
    num_layers=1,
    layer_cfg=dict(
        self_attn_cfg=dict(embed_dims=256, num_heads=8, dropout=0.1),
        ffn_cfg=dict(embed_dims=256, feedforward_channels=1024, ffn_drop=0.1)))
model = dict(type='TextFusion', detector=_base_.model.type, fusion=fusion)"""
SOFT_TOKENS = """model = dict(
    bbox_head=dict(type='AlignedGroundingDINOHead', loss_soft_token=dict(type='SoftTokenLoss')))"""
SOFT_TOKENS_AS_CLASSES = "model = dict(bbox_head=dict(loss_cls=dict(_delete_=True, type='SoftTokenLoss')))"
ALIGNMENT = """model = dict(
    bbox_head=dict(type='AlignedGroundingDINOHead', loss_align=dict(type='ContrastiveAlignLoss', temperature=0.07)))"""


class Try(NamedTuple):
    """lines: What is added to the config; '' if the host has the part already. reason: A part of the message of the
    ValueError that they must lead to, or '' if they must work."""
    lines: str
    reason: str = ''


@dataclass(frozen=True)
class Part:
    """A part of this package.

    Args:
        title: Its name in the grid.
        weights: Beginnings of the names of its parameters.
        tries: From a host and its model's config, what to try; a string is the reason why there is nothing to try.
    """
    title: str
    weights: tuple[str, ...]
    tries: Callable[[Host, ConfigDict], Try | str]


def _maps(model: ConfigDict) -> int:
    """How many maps the neck takes; with a list of necks, the first one."""
    neck = model.neck[0] if isinstance(model.neck, list) else model.neck
    return len(neck.in_channels) if isinstance(neck.get('in_channels'), list) else 3


def _gelan(host: Host, model: ConfigDict) -> Try | str:
    if model.backbone.type == 'GELAN':
        return Try('')
    return Try({1: GELAN_1, 2: GELAN_2, 3: GELAN_3, 4: GELAN_4}[_maps(model)])


def _rd_neck(host: Host, model: ConfigDict) -> Try | str:
    if model.neck.type == 'GELANPAN':
        return Try(RD_NECK_OURS)
    return Try(RD_NECK if 'num_outs' in model.neck else RD_NECK_3)


def _pgi(host: Host, model: ConfigDict) -> Try | str:
    if model.type == 'PGIDetector':
        return Try(PGI_OURS)
    if model.type == 'MDETR':
        return 'the boxes of MDETR have phrases, and the dense head beside it would need classes'
    return Try(PGI_FEW if _maps(model) < 3 else PGI)


def _yolov9_head(host: Host, model: ConfigDict) -> Try | str:
    if model.type == 'PGIDetector':
        return Try('')
    if host.group in (QUERIES, WORDED) or model.type in ('SMCADETR', 'MDETR'):
        return 'its head reads queries or a text besides maps, not maps alone'
    if 'rpn_head' in model:
        return 'its heads propose regions and read them, and none predicts the boxes of maps'
    if 'mask' in str(model.bbox_head.type).lower() or 'Ins' in model.bbox_head.type:
        return 'its head predicts masks, which YOLOv9Head does not'
    return Try(YOLOV9_HEAD_5 if model.neck.get('num_outs', 3) == 5 else YOLOV9_HEAD_3)


def _smca(host: Host, model: ConfigDict) -> Try | str:
    if model.type == 'SMCADETR':
        return Try('')
    if model.type == 'MDETR':
        return Try("model = dict(decoder=dict(type='SMCATransformerDecoder'))")
    dense = model.type in ('DETR', 'ConditionalDETR', 'DABDETR')
    has_decoder = 'decoder' in model
    return Try(SMCA, '' if dense else 'there is nothing to modulate' if has_decoder else
               'detector should be a detection transformer')


def _text_fusion(host: Host, model: ConfigDict) -> Try | str:
    if model.type == 'MDETR':
        return Try('')
    return Try(TEXT_FUSION, '' if host.group == WORDED else 'one of mmdet that reads texts')


def _soft_tokens(host: Host, model: ConfigDict) -> Try | str:
    if model.type == 'MDETR':
        return Try('')
    if model.type == 'GroundingDINO':
        return Try(SOFT_TOKENS)
    if model.type == 'GLIP':
        return Try(SOFT_TOKENS_AS_CLASSES, 'this head has other logits')
    return 'it reads no text'


def _alignment(host: Host, model: ConfigDict) -> Try | str:
    if model.type == 'MDETR':
        return Try('')
    if host.group != WORDED:
        return 'it reads no text'
    return Try(ALIGNMENT, '' if model.type == 'GroundingDINO' else 'similarities of regions and words already')


PARTS = [
    Part('as it is', (), lambda host, model: Try('')),
    Part('GELAN as backbone', ('backbone.', ), _gelan),
    Part('RD behind the neck', ('neck.1.', ), _rd_neck),
    Part('RD in the backbone', ('backbone.rd.', 'backbone.trunk.rd.'), lambda host, model: Try(RD_BACKBONE)),
    Part('PGI', ('aux_head.', ), _pgi),
    Part("YOLOv9's head", ('bbox_head.', ), _yolov9_head),
    Part("SMCA's attention", ('decoder.centre.', '.modulation.'), _smca),
    Part('text fusion', ('fusion.', 'encoder.layers.'), _text_fusion),
    Part('soft tokens', ('bbox_head.soft_token.', 'bbox_head.fc_cls.'), _soft_tokens),
    Part('alignment', ('bbox_head.align_', ), _alignment),
]
LINES: Mapping[str, str] = {name: value for name, value in globals().items()
                            if isinstance(value, str) and 'model = dict(' in value}
