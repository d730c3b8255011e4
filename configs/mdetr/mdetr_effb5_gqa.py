"""MDETR with EfficientNet-B5 on the questions of GQA, first stage; see `mdetr_r101_gqa.py`."""
_base_ = ['./mdetr_r101_gqa.py', '../_base_/mdetr_efficientnet.py']

model = dict(backbone=dict(arch='b5', **_base_.efficientnet), neck=dict(in_channels=[512]))
