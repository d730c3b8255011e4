"""mmdet's RTMDet-tiny with a second top-down neck and a second RTMDet head that exist in training only."""
_base_ = 'mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py'
custom_imports = dict(imports=['mmdet_ext', 'mmdet_ext.compat.apply'], allow_failed_imports=False)

model = dict(
    type='PGIDetector',
    aux_head=dict(
        type='PGIAuxHead',
        branch=dict(type='PyramidBranch', arch='t', in_channels=(96, 192, 384), out_channels=(96, 96, 96)),
        head=_base_.model.bbox_head))
optim_wrapper = dict(constructor='MergedOptimWrapperConstructor')
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
