"""SMCA-DETR on ResNet-18 on coco128: 128 images of COCO to train on and 128 others to evaluate on.

The data lie in data/coco128, or where the environment variable MMDET_EXT_COCO128 points, laid out as COCO is.
"""
_base_ = './smca_r50_50e_coco.py'

data_root = '{{$MMDET_EXT_COCO128:data/coco128}}/'
model = dict(
    backbone=dict(depth=18, init_cfg=dict(checkpoint='torchvision://resnet18')),
    neck=dict(in_channels=[512]))
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=300, val_interval=10)
param_scheduler = [dict(type='MultiStepLR', end=300, milestones=[240])]
