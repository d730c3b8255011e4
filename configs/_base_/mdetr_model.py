"""MDETR on ResNet-101 with RoBERTa-base, its published training, and images resized as published.

Hooks have names: `default_hooks=dict(lr_schedule=dict(lr_drop=3))`. Published trainings average the weights:
`default_hooks=dict(ema=_base_.ema)`. A pipeline is a list, which a config can only replace, so its parts have names.
"""
_base_ = 'mmdet::_base_/default_runtime.py'
custom_imports = dict(imports=['mmdet_ext', 'mmdet_ext.compat.apply'], allow_failed_imports=False)

image_size = 800  # short side; the sides of the training below scale with it
pipelines_image_size = image_size
attention = dict(embed_dims=256, num_heads=8, dropout=0.1)
ffn = dict(embed_dims=256, feedforward_channels=2048, num_fcs=2, ffn_drop=0.1, act_cfg=dict(type='ReLU', inplace=True))
model = dict(
    type='MDETR',
    num_queries=100,
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=1),
    backbone=dict(
        type='ResNet',
        depth=101,
        out_indices=(3, ),
        frozen_stages=1,
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=True,
        style='pytorch',
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet101')),
    neck=dict(
        type='ChannelMapper', in_channels=[2048], kernel_size=1, out_channels=256, act_cfg=None, norm_cfg=None,
        num_outs=1, init_cfg=dict(type='TorchInit', layer='Conv2d')),
    text_encoder=dict(type='RobertaTextEncoder', name='roberta-base'),
    encoder=dict(
        type='TextFusionEncoder', num_layers=6, layer_cfg=dict(self_attn_cfg=attention, ffn_cfg=ffn)),
    decoder=dict(
        type='MDETRTransformerDecoder',
        num_layers=6,
        layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=ffn)),
    positional_encoding=dict(num_feats=128, normalize=True),
    bbox_head=dict(
        type='MDETRHead',
        embed_dims=256,
        loss_cls=dict(type='SoftTokenLoss', eos_coef=0.1),
        loss_bbox=dict(type='L1Loss', loss_weight=5.0),
        loss_iou=dict(type='GIoULoss', loss_weight=2.0),
        loss_align=dict(type='ContrastiveAlignLoss', temperature=0.07)),
    train_cfg=dict(
        assigner=dict(
            type='HungarianAssigner',
            match_costs=[
                dict(type='SoftTokenCost', weight=1.),
                dict(type='BBoxL1Cost', weight=5., box_format='xywh'),
                dict(type='IoUCost', iou_mode='giou', weight=2.)
            ])))

visualizer = dict(type='GroundingVisualizer')

short_sides = [(side, 1333) for side in range(480, 801, 32)]
random_resize = dict(
    type='RandomChoice',
    transforms=[[dict(type='FloorResize', scales=short_sides)],
                [
                    dict(type='FloorResize', scales=[(400, None), (500, None), (600, None)]),
                    dict(type='BoxSafeRandomCrop', min_size=384, max_size=1333),
                    dict(type='FloorResize', scales=short_sides)
                ]])
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    random_resize,
    dict(type='PackGroundingInputs')
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='FloorResize', scales=[(image_size, 1333)]),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackGroundingInputs')
]
train_dataloader = dict(
    batch_size=2,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    batch_sampler=dict(type='AspectRatioBatchSampler'))
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False))
test_dataloader = val_dataloader

max_epochs = 40
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='NoWaitOptimWrapper',
    constructor='MergedOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-4),
    clip_grad=dict(max_norm=0.1, norm_type=2),
    paramwise_cfg=dict(
        custom_keys=dict(
            backbone=dict(lr_mult=0.1),
            text_encoder=dict(lr_mult=0.5, role='text_encoder'))))  # the role gives it its own parameter group
param_scheduler = None  # lr_schedule sets the rates, with another rule for the text encoder
ema = dict(type='StepEMAHook', decay=0.9998, tau=0)
default_hooks = dict(
    runtime_info=dict(type='NoWaitRuntimeInfoHook'),
    checkpoint=dict(type='WholeCheckpointHook'),
    param_scheduler=dict(type='ScheduleHook'),
    sampler_seed=dict(type='EpochSeedHook'),
    lr_schedule=dict(type='MDETRLrHook', schedule='linear_with_warmup', lr_drop=35))
auto_scale_lr = dict(base_batch_size=64)
