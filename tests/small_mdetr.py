"""A small MDETR, and samples with captions."""
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData


def build(folder: str, text: dict | None = None, decoder: dict | None = None, **options) -> torch.nn.Module:
    attention = dict(embed_dims=64, num_heads=8, dropout=0.)
    layer = dict(self_attn_cfg=attention, ffn_cfg=dict(embed_dims=64, feedforward_channels=96))
    costs = [dict(type='SoftTokenCost'), dict(type='BBoxL1Cost', weight=5., box_format='xywh'),
             dict(type='IoUCost', iou_mode='giou', weight=2.)]
    model = MODELS.build(dict(
        dict(
            type='MDETR',
            num_queries=10,
            text_dropout=0.,
            backbone=dict(type='ResNet', depth=18, out_indices=(3, )),
            neck=dict(type='ChannelMapper', in_channels=[512], kernel_size=1, out_channels=64, act_cfg=None,
                      num_outs=1),
            text_encoder=dict(dict(type='RobertaTextEncoder', name=folder, pretrained=False), **(text or {})),
            encoder=dict(num_layers=2, layer_cfg=layer),
            decoder=dict(num_layers=2, layer_cfg=dict(layer, cross_attn_cfg=attention), **(decoder or {})),
            positional_encoding=dict(num_feats=32, normalize=True),
            bbox_head=dict(type='MDETRHead', embed_dims=64, loss_align=dict(type='ContrastiveAlignLoss')),
            train_cfg=dict(assigner=dict(type='HungarianAssigner', match_costs=costs))), **options))
    model.init_weights()
    return model


def sample(caption: str, spans: list | None = None, shape: tuple[int, int] = (96, 128), **meta) -> DetDataSample:
    spans = [[[0, 5]]] if spans is None else spans
    boxes = torch.tensor([[5., 8, 60, 70]]).repeat(len(spans), 1) + torch.arange(len(spans))[:, None]
    instances = InstanceData(bboxes=boxes, labels=torch.zeros(len(spans), dtype=torch.long), tokens_positive=spans)
    data_sample = DetDataSample(gt_instances=instances)
    data_sample.set_metainfo(dict(text=caption, img_shape=shape, ori_shape=shape, batch_input_shape=(96, 128),
                                  scale_factor=(1., 1.), **meta))
    return data_sample
