"""SMCA-DETR with three scales on ResNet-101 in the long schedule; the epoch of the drop is not published."""
_base_ = './smca_ms_r50_50e_coco.py'

model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='torchvision://resnet101')))
train_cfg = dict(max_epochs=108)
param_scheduler = [dict(type='MultiStepLR', end=108, milestones=[86])]
