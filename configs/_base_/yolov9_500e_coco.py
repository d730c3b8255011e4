"""YOLOv9 on COCO without the model: data, augmentation, schedule, evaluation.

A config that inherits from this one overrides dicts by their keys. For another length `train_cfg=dict(max_epochs=300)`
is enough: the learning rate and the last epochs without mosaic follow. For other images and classes set `image_size`
and `classes` (`mmdet_ext/config_variables.py`): pipelines, data sets and heads follow. Hooks have names:
`default_hooks=dict(close_mosaic=dict(num_last_epochs=10))`. For another batch size set both
`train_dataloader.batch_size` and `optim_wrapper.paramwise_cfg.batch_size_per_gpu`. A list can only be replaced, so the
parts of pipelines have names:

    affine = dict(_base_.affine, scale=0.4)
    train_pipeline = [_base_.mosaic, affine, *_base_.finish]
    train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

The loss is summed over the images of all processes, so the learning rate is the same for every batch size.
"""
_base_ = 'mmdet::_base_/default_runtime.py'
custom_imports = dict(imports=['mmdet_ext', 'mmdet_ext.compat.apply'], allow_failed_imports=False)

data_root = 'data/coco/'
image_size = 640
pipelines_image_size = image_size  # what the pipelines below are written for
batch_size = 16  # per GPU; the published training had 8 GPUs
num_workers = 8

# data

load_train = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='LoadPolygons'),
    dict(type='YOLOResize', size=image_size, shrink='linear'),
]
mosaic = dict(type='YOLOMosaic', size=image_size, deferred=True)  # `affine` draws the part of it that is visible
copy_paste = dict(type='YOLOCopyPaste', prob=0.3)
affine = dict(type='YOLOAffine', size=(image_size, image_size), scale=0.9, translate=0.1)
mixup = dict(type='YOLOMixUp', prob=0.15, transforms=[mosaic, copy_paste, affine])
finish = [
    dict(type='YOLOFilters', prob=0.01),
    dict(type='YOLOHSV', hue=0.015, saturation=0.7, value=0.4),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape')),
]
train_pipeline = [mosaic, copy_paste, affine, mixup, *finish]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='YOLOResize', size=image_size),
    dict(type='RectLetterbox', stride=32),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'pad_param')),
]

train_dataloader = dict(
    batch_size=batch_size,
    num_workers=num_workers,
    persistent_workers=True,
    sampler=dict(type='SeededSampler', shuffle=True),
    dataset=dict(
        type='SeededMixDataset',
        dataset=dict(
            type='YOLOCocoDataset',
            data_root=data_root,
            ann_file='annotations/instances_train2017.json',
            data_prefix=dict(img='train2017/'),
            filter_cfg=dict(filter_empty_gt=False),
            bad_boxes='skip',  # COCO has a few boxes without area
            pipeline=load_train),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=2 * batch_size,
    num_workers=num_workers,
    persistent_workers=True,
    sampler=dict(type='BatchShapeSampler'),
    dataset=dict(
        type='YOLOCocoDataset',
        data_root=data_root,
        ann_file='annotations/instances_val2017.json',
        data_prefix=dict(img='val2017/'),
        test_mode=True,
        batch_shapes=dict(batch_size=2 * batch_size, size=image_size, stride=32, pad=0.5),
        bad_boxes='skip',
        pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='YOLOCocoMetric')  # on the annotations of the data set
test_evaluator = val_evaluator

# schedule

randomness = dict(seed=1)  # with SeededSampler a resumed run gets the same images as one without a stop

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=500, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
param_scheduler = [dict(type='EpochLinearLR', end_factor=0.01)]
optim_wrapper = dict(
    type='SumOptimWrapper',
    constructor='YOLOOptimWrapperConstructor',
    paramwise_cfg=dict(batch_size_per_gpu=batch_size, nominal_batch_size=64),
    optimizer=dict(type='SGD', lr=0.01, momentum=0.937, nesterov=True, weight_decay=0.0005),
    clip_grad=dict(max_norm=10.0))
sync_bn = 'torch'
default_hooks = dict(
    runtime_info=dict(type='NoWaitRuntimeInfoHook'),
    checkpoint=dict(
        type='WholeCheckpointHook', interval=1, max_keep_ckpts=2, save_best='coco/fitness', rule='greater'),
    param_scheduler=dict(type='ScheduleHook'),
    sampler_seed=dict(type='EpochSeedHook'),
    warmup=dict(type='YOLOWarmupHook', warmup_epochs=3, min_iters=100, bias_lr=0.1, start_momentum=0.8),
    close_mosaic=dict(type='CloseMosaicHook', num_last_epochs=15),
    ema=dict(type='StepEMAHook', ema_type='RampedEMA', decay=0.9999, tau=2000),
    stop_on_nan=dict(type='StopOnNaNHook'),
    patience=dict(type='PatienceHook', monitor='coco/fitness', patience=100),
    check_classes=dict(type='NumClassCheckHook'))
visualizer = dict(type='LargeVisualizer')
