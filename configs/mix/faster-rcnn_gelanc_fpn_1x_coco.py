"""GELAN-C as the backbone of mmdet's Faster R-CNN with FPN.

For published weights convert a `gelan-c.pt` and set
`model.backbone.init_cfg=dict(type='Pretrained', checkpoint='gelan-c.pth', prefix='backbone.')`.
"""
_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'
custom_imports = dict(imports=['mmdet_ext', 'mmdet_ext.compat.apply'], allow_failed_imports=False)

model = dict(
    data_preprocessor=dict(mean=[0, 0, 0], std=[255, 255, 255]),
    backbone=dict(_delete_=True, type='GELAN', arch='c', out_indices=(0, 1, 2, 3)),
    neck=dict(in_channels=[256, 512, 512, 512]))
default_hooks = dict(
    checkpoint=dict(type='WholeCheckpointHook'),
    param_scheduler=dict(type='ScheduleHook'),
    sampler_seed=dict(type='EpochSeedHook'))
train_dataloader = dict(dataset=dict(type='CheckedCocoDataset'))
val_dataloader = dict(dataset=dict(type='CheckedCocoDataset'))
test_dataloader = val_dataloader
val_evaluator = dict(type='FastCocoMetric')
test_evaluator = val_evaluator
