"""mmdet's Mask R-CNN with a Retriever-Dictionary in its ResNet-50, after the stage of stride 8."""
_base_ = 'mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'
custom_imports = dict(imports=['mmdet_ext', 'mmdet_ext.compat.apply'], allow_failed_imports=False)

model = dict(backbone=dict(type='RD', backbone=_base_.model.backbone.type, rd=dict(stage=1, num_atoms=512)))
default_hooks = dict(
    checkpoint=dict(type='WholeCheckpointHook'),
    param_scheduler=dict(type='ScheduleHook'),
    sampler_seed=dict(type='EpochSeedHook'))
train_dataloader = dict(dataset=dict(type='CheckedCocoDataset'))
val_dataloader = dict(dataset=dict(type='CheckedCocoDataset'))
test_dataloader = val_dataloader
val_evaluator = dict(type='FastCocoMetric')
test_evaluator = val_evaluator
