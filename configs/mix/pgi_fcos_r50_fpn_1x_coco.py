"""mmdet's FCOS-R50 with its own head of five levels a second time, on a second FPN, in training only."""
_base_ = 'mmdet::fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py'
custom_imports = dict(imports=['mmdet_ext', 'mmdet_ext.compat.apply'], allow_failed_imports=False)

model = dict(
    type='PGI',
    detector=_base_.model.type,
    aux_head=dict(
        type='PGIAuxHead',
        branch=dict(type='IdentityBranch'),
        neck=_base_.model.neck,
        head=_base_.model.bbox_head))
optim_wrapper = dict(type='NoWaitOptimWrapper', constructor='MergedOptimWrapperConstructor')
default_hooks = dict(
    runtime_info=dict(type='NoWaitRuntimeInfoHook'),
    checkpoint=dict(type='WholeCheckpointHook'),
    param_scheduler=dict(type='ScheduleHook'),
    sampler_seed=dict(type='EpochSeedHook'))
train_dataloader = dict(dataset=dict(type='CheckedCocoDataset'))
val_dataloader = dict(dataset=dict(type='CheckedCocoDataset'))
test_dataloader = val_dataloader
val_evaluator = dict(type='FastCocoMetric')
test_evaluator = val_evaluator
