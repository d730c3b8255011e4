"""Small SMCA-DETRs with random weights to look at."""
import torch
from mmcv.transforms import Compose
from mmdet.registry import MODELS
from mmengine.config import Config

from mmdet_ext.visualization.smca.capture import SMCAProbe

CONFIG = 'configs/smca/smca_r18_shapes.py'
WIDTH, HEADS, QUERIES = 16, 2, 6
KINDS = dict(
    single={}, padded=dict(pad=128), multi=dict(maps=3), multi_padded=dict(maps=3, pad=128),
    own_kv=dict(maps=3, share_kv=False), no_selection=dict(maps=3, scale_selection=False), softmax=dict(softmax=True))


def small_config(maps: int = 1, pad: int = 1, softmax: bool = False, **decoder: bool) -> Config:
    """Six queries, two layers, one map of stride 16 or three of strides 8, 16 and 32, for images of 64 pixels."""
    cfg = Config.fromfile(CONFIG)
    attention = dict(embed_dims=WIDTH, num_heads=HEADS, dropout=0.1)
    ffn_cfg = dict(embed_dims=WIDTH, feedforward_channels=32)
    model = cfg.model
    model.num_queries = QUERIES
    model.data_preprocessor.pad_size_divisor = pad
    model.backbone.base_channels = 8
    model.backbone.out_indices = (2, ) if maps == 1 else (1, 2)
    model.neck.update(in_channels=[32] if maps == 1 else [16, 32], out_channels=WIDTH, num_outs=maps)
    model.extra_maps = 0 if maps == 1 else 1
    model.encoder = dict(num_layers=1, layer_cfg=dict(self_attn_cfg=attention, ffn_cfg=ffn_cfg))
    model.decoder = dict(
        num_layers=2, layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=ffn_cfg),
        strides=(16, ) if maps == 1 else (8, 16, 32), **decoder)
    model.positional_encoding.num_feats = WIDTH // 2
    model.bbox_head.embed_dims = WIDTH
    if softmax:
        model.bbox_head.loss_cls = dict(type='CrossEntropyLoss', bg_cls_weight=0.1)
    model.test_cfg.max_per_img = QUERIES
    cfg.test_pipeline[1].scale = (64, 64)
    cfg.test_dataloader.dataset.pipeline = cfg.test_pipeline
    return cfg


def small_probe(kind: str) -> SMCAProbe:
    """With widths that differ by query in the second layer."""
    cfg = small_config(**KINDS[kind])
    model = MODELS.build(cfg.model)
    model.init_weights()
    torch.nn.init.normal_(model.decoder.layers[1].modulation.scale.weight, std=0.3)
    torch.nn.init.normal_(model.bbox_head.fc_cls.weight)
    return SMCAProbe(model, Compose(cfg.test_pipeline))
