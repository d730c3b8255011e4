"""mmdet's DAB-DETR with SMCA's Gaussians around its reference points, which move from layer to layer."""
_base_ = 'mmdet::dab_detr/dab-detr_r50_8xb2-50e_coco.py'
custom_imports = dict(imports=['mmdet_ext', 'mmdet_ext.compat.apply'], allow_failed_imports=False)

model = dict(type='SMCA', detector=_base_.model.type)
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
