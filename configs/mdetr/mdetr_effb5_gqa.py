"""MDETR with EfficientNet-B5 on the questions of GQA, first stage; see `mdetr_r101_gqa.py`."""
_base_ = './mdetr_r101_gqa.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='EfficientNet',
        arch='b5',
        out_indices=(5, ),
        norm_cfg=dict(type='BN', eps=1e-5, requires_grad=False),
        norm_eval=True),
    neck=dict(in_channels=[512]))
