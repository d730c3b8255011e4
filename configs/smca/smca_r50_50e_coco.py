"""SMCA-DETR, single scale, on ResNet-50: the published model of 41.0 AP, 8 GPUs with 2 images each."""
_base_ = 'mmdet::detr/detr_r50_8xb2-150e_coco.py'
custom_imports = dict(imports=['mmdet_ext', 'mmdet_ext.compat.apply'], allow_failed_imports=False)

image_size = 800  # short side; the sides of the training below scale with it
pipelines_image_size = image_size
model = dict(
    type='SMCADETR',
    num_queries=300,
    neck=dict(init_cfg=dict(type='TorchInit', layer='Conv2d')),
    encoder=dict(type='SMCATransformerEncoder'),
    decoder=dict(type='SMCATransformerDecoder', dynamic_scale='type3', smooth=8.),
    bbox_head=dict(
        type='SMCAHead',
        sync_cls_avg_factor=True,
        loss_cls=dict(
            _delete_=True, type='FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=2.0)),
    train_cfg=dict(
        assigner=dict(
            match_costs=[
                dict(type='FocalLossCost', weight=2.0),
                dict(type='BBoxL1Cost', weight=5.0, box_format='xywh'),
                dict(type='IoUCost', iou_mode='giou', weight=2.0)
            ])),
    test_cfg=dict(max_per_img=300))

short_sides = [(side, 1333) for side in range(480, 801, 32)]
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomFlip', prob=0.5),
    dict(
        type='RandomChoice',
        transforms=[[dict(type='FloorResize', scales=short_sides)],
                    [
                        dict(type='FloorResize', scales=[(400, None), (500, None), (600, None)]),
                        dict(
                            type='RandomCrop',
                            crop_type='absolute_range',
                            crop_size=(384, 600),
                            allow_negative_crop=True),
                        dict(type='FloorResize', scales=short_sides)
                    ]]),
    dict(type='PackDetInputs')
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='FloorResize', scales=[(image_size, 1333)]),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))
]
train_dataloader = dict(
    dataset=dict(type='CheckedCocoDataset', filter_cfg=dict(filter_empty_gt=False), pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(type='CheckedCocoDataset', pipeline=test_pipeline))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=50)
param_scheduler = [dict(type='MultiStepLR', end=50, milestones=[40])]
optim_wrapper = dict(type='NoWaitOptimWrapper', constructor='MergedOptimWrapperConstructor')
default_hooks = dict(
    runtime_info=dict(type='NoWaitRuntimeInfoHook'),
    checkpoint=dict(type='WholeCheckpointHook'),
    param_scheduler=dict(type='ScheduleHook'),
    sampler_seed=dict(type='EpochSeedHook'),
    check_classes=dict(type='NumClassCheckHook'))
val_evaluator = dict(type='FastCocoMetric', ann_file=None)  # on the annotations of the data set
test_evaluator = val_evaluator
visualizer = dict(type='LargeVisualizer')
