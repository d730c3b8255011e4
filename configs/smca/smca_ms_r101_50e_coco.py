"""SMCA-DETR with three scales on ResNet-101."""
_base_ = './smca_ms_r50_50e_coco.py'

model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='torchvision://resnet101')))
