"""mmdet's RTMDet-Ins-tiny with a Retriever-Dictionary in its CSPNeXt, after the stage of stride 8."""
_base_ = 'mmdet::rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py'
custom_imports = dict(imports=['mmdet_ext', 'mmdet_ext.compat.apply'], allow_failed_imports=False)

model = dict(backbone=dict(type='RD', backbone=_base_.model.backbone.type, rd=dict(stage=1, num_atoms=512)))
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
