"""mmdet's Faster R-CNN-R50 with a second top-down neck and YOLOv9's head on it that exist in training only."""
_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'
custom_imports = dict(imports=['mmdet_ext', 'mmdet_ext.compat.apply'], allow_failed_imports=False)

model = dict(
    type='PGI',
    detector=_base_.model.type,
    aux_head=dict(
        type='PGIAuxHead',
        branch=dict(type='PyramidBranch', arch='s', in_channels=(512, 1024, 2048), in_indices=(1, 2, 3)),
        head=dict(type='YOLOv9Head', num_classes=80, in_channels=(128, 192, 256), sum_over_images=False)))
default_hooks = dict(
    checkpoint=dict(type='WholeCheckpointHook'),
    param_scheduler=dict(type='ScheduleHook'),
    sampler_seed=dict(type='EpochSeedHook'))
train_dataloader = dict(dataset=dict(type='CheckedCocoDataset'))
val_dataloader = dict(dataset=dict(type='CheckedCocoDataset'))
test_dataloader = val_dataloader
val_evaluator = dict(type='FastCocoMetric')
test_evaluator = val_evaluator
