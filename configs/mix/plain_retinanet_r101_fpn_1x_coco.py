"""mmdet's RetinaNet-R101 without the shortcuts of its ResNet: the plain network that GELAN is compared with."""
_base_ = 'mmdet::retinanet/retinanet_r101_fpn_1x_coco.py'
custom_imports = dict(imports=['mmdet_ext', 'mmdet_ext.compat.apply'], allow_failed_imports=False)

model = dict(backbone=dict(type='PlainResNet', init_cfg=None))
default_hooks = dict(
    checkpoint=dict(type='WholeCheckpointHook'),
    param_scheduler=dict(type='ScheduleHook'),
    sampler_seed=dict(type='EpochSeedHook'))
train_dataloader = dict(dataset=dict(type='CheckedCocoDataset'))
val_dataloader = dict(dataset=dict(type='CheckedCocoDataset'))
test_dataloader = val_dataloader
val_evaluator = dict(type='FastCocoMetric')
test_evaluator = val_evaluator
