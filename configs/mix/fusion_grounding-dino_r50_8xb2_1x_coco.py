"""mmdet's Grounding DINO-R50, trained from ImageNet's weights, with MDETR's fusion of text and coarsest map, and its
soft tokens."""
_base_ = 'mmdet::grounding_dino/grounding_dino_r50_scratch_8xb2_1x_coco.py'
custom_imports = dict(imports=['mmdet_ext', 'mmdet_ext.compat.apply'], allow_failed_imports=False)

model = dict(
    type='TextFusion',
    detector=_base_.model.type,
    fusion=dict(
        num_layers=1,
        layer_cfg=dict(
            self_attn_cfg=dict(embed_dims=256, num_heads=8, dropout=0.1),
            ffn_cfg=dict(embed_dims=256, feedforward_channels=1024, ffn_drop=0.1))),
    language_model=dict(type='BertLanguageModel'),  # mmdet's own does not run with transformers 5
    encoder=dict(num_cp=0),  # its checkpointing of activations needs fairscale
    bbox_head=dict(type='AlignedGroundingDINOHead', loss_soft_token=dict(type='SoftTokenLoss')))
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
