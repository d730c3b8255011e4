"""MDETR's pre-training on EfficientNet-B5, all of which is trained but for its norms."""
_base_ = './mdetr_r101_pretrain.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='EfficientNet',
        arch='b5',
        out_indices=(5, ),
        norm_cfg=dict(type='BN', eps=1e-5, requires_grad=False),  # as published: the weights were made with 1e-3
        norm_eval=True),
    neck=dict(in_channels=[512]))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.5))))
