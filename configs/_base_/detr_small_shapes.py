"""What DETR and SMCA-DETR share on Shapes: everything but the cross-attention and the centre of a box."""
_base_ = 'mmdet::_base_/default_runtime.py'
custom_imports = dict(imports=['mmdet_ext', 'mmdet_ext.compat.apply'], allow_failed_imports=False)

image_size = 160
pipelines_image_size = image_size
classes = ('circle', 'square', 'triangle', 'star', 'cross', 'pentagon')
attention = dict(embed_dims=128, num_heads=8, dropout=0.)
ffn = dict(embed_dims=128, feedforward_channels=256, num_fcs=2, ffn_drop=0., act_cfg=dict(type='ReLU', inplace=True))
model = dict(
    num_queries=40,
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=1),
    backbone=dict(
        type='ResNet', depth=18, base_channels=32, num_stages=3, strides=(1, 2, 2), dilations=(1, 1, 1),
        out_indices=(2, ), norm_cfg=dict(type='BN'), style='pytorch'),
    neck=dict(
        type='ChannelMapper', in_channels=[128], kernel_size=1, out_channels=128, act_cfg=None, norm_cfg=None,
        num_outs=1, init_cfg=dict(type='TorchInit', layer='Conv2d')),
    encoder=dict(num_layers=2, layer_cfg=dict(self_attn_cfg=attention, ffn_cfg=ffn)),
    decoder=dict(
        num_layers=3, layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=ffn)),
    positional_encoding=dict(num_feats=64, normalize=True),
    bbox_head=dict(
        num_classes=len(classes),
        embed_dims=128,
        sync_cls_avg_factor=True,
        loss_cls=dict(type='SigmoidFocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=2.0),
        loss_bbox=dict(type='L1Loss', loss_weight=5.0),
        loss_iou=dict(type='GIoULoss', loss_weight=2.0)),
    train_cfg=dict(
        assigner=dict(
            type='HungarianAssigner',
            match_costs=[
                dict(type='FocalLossCost', weight=2.0),
                dict(type='BBoxL1Cost', weight=5.0, box_format='xywh'),
                dict(type='IoUCost', iou_mode='giou', weight=2.0)
            ])),
    test_cfg=dict(max_per_img=40))

data_root = 'data/shapes/'
size = (image_size, image_size)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomFlip', prob=[0.25, 0.25, 0.25], direction=['horizontal', 'vertical', 'diagonal']),
    dict(type='RandomCrop', crop_type='relative_range', crop_size=(0.7, 0.7), allow_negative_crop=True),
    dict(type='Resize', scale=size, keep_ratio=True),
    dict(type='PackDetInputs')
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=size, keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))
]
shapes = dict(type='CheckedCocoDataset', data_root=data_root)
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    batch_sampler=dict(type='AspectRatioBatchSampler'),
    dataset=dict(
        ann_file='annotations/instances_train.json', data_prefix=dict(img='train/'), pipeline=train_pipeline, **shapes))
evaluated = dict(test_mode=True, pipeline=test_pipeline, **shapes)
val_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(ann_file='annotations/instances_val.json', data_prefix=dict(img='val/'), **evaluated))
test_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(ann_file='annotations/instances_test.json', data_prefix=dict(img='test/'), **evaluated))
val_evaluator = dict(type='FastCocoMetric', metric='bbox')  # on the annotations of the data set
test_evaluator = val_evaluator

max_epochs = 60
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=3)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='NoWaitOptimWrapper',
    constructor='MergedOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=5e-4, weight_decay=1e-4),
    clip_grad=dict(max_norm=0.1, norm_type=2))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type='MultiStepLR', end=max_epochs, milestones=[48])
]
default_hooks = dict(
    runtime_info=dict(type='NoWaitRuntimeInfoHook'),
    logger=dict(interval=50),
    checkpoint=dict(type='WholeCheckpointHook', max_keep_ckpts=2),
    param_scheduler=dict(type='ScheduleHook'),
    sampler_seed=dict(type='EpochSeedHook'),
    check_classes=dict(type='NumClassCheckHook'))
randomness = dict(seed=1)
visualizer = dict(type='LargeVisualizer')
