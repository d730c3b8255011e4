"""mmdet's Grounding DINO-R50, trained from ImageNet's weights, with MDETR's contrastive alignment in its head."""
_base_ = 'mmdet::grounding_dino/grounding_dino_r50_scratch_8xb2_1x_coco.py'
custom_imports = dict(imports=['mmdet_ext', 'mmdet_ext.compat.apply'], allow_failed_imports=False)

model = dict(
    language_model=dict(type='BertLanguageModel'),  # mmdet's own does not run with transformers 5
    encoder=dict(num_cp=0),  # its checkpointing of activations needs fairscale
    bbox_head=dict(type='AlignedGroundingDINOHead', loss_align=dict(type='ContrastiveAlignLoss', temperature=0.07)))
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
