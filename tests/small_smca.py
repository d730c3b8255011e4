"""SMCADETR of every form, small."""
import copy
from functools import cache

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData

NAMES = ('r50_50e', 'r50_50e_type1', 'r50_50e_type2', 'r50_50e_type4', 'r50_50e_head-shared', 'ms_r50_50e',
         'ms_r50_50e_pooled', 'ms_conv_r50_50e')


@cache
def loaded(name: str) -> Config:
    return Config.fromfile(f'configs/smca/smca_{name}_coco.py').model


def build(name: str, **model) -> torch.nn.Module:
    """The config's model on ResNet-18 with 64 channels, two layers each and without dropout."""
    cfg = copy.deepcopy(loaded(name))  # reading it takes longer than building the model
    cfg.backbone.update(depth=18, init_cfg=None)
    cfg.neck.update(in_channels=[channels // 4 for channels in cfg.neck.in_channels], out_channels=64)
    attention, ffn = dict(embed_dims=64, num_heads=8, dropout=0.), dict(embed_dims=64, feedforward_channels=96)
    if cfg.encoder.type == 'SMCAConvEncoder':
        cfg.encoder.update(num_layers=2, embed_dims=64, dropout=0.)
    else:
        cfg.encoder.update(num_layers=2, layer_cfg=dict(self_attn_cfg=attention, ffn_cfg=ffn))
        if cfg.encoder.get('multi_scale'):
            cfg.encoder.multi_scale = (False, True)
    cfg.decoder.update(num_layers=2, layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=ffn))
    cfg.positional_encoding.num_feats = 32
    cfg.bbox_head.embed_dims = 64
    cfg.update(num_queries=20, **model)
    cfg.test_cfg.max_per_img = 20
    model = MODELS.build(cfg)
    model.init_weights()
    for layer in model.decoder.layers:  # so that offsets and scales differ from query to query
        for part in (layer.modulation.scale, layer.modulation.selection):
            if part is not None:
                torch.nn.init.normal_(part.weight, std=0.1)
    return model


def sample(shape: tuple[int, int], batch: tuple[int, int] | None = None, boxes: int = 1) -> DetDataSample:
    corners = torch.tensor([[10., 12, 60, 70], [30, 20, 90, 80]])[:boxes]
    data_sample = DetDataSample(gt_instances=InstanceData(bboxes=corners, labels=torch.arange(boxes)))
    data_sample.set_metainfo(dict(img_shape=shape, batch_input_shape=batch or shape, ori_shape=shape,
                                  scale_factor=(1., 1.)))
    return data_sample
