"""MDETR's pre-training on EfficientNet-B3."""
_base_ = ['./mdetr_r101_pretrain.py', '../_base_/mdetr_efficientnet.py']

model = dict(backbone=dict(arch='b3', **_base_.efficientnet), neck=dict(in_channels=[384]))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.5))))
