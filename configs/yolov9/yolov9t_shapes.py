"""YOLOv9-T on Shapes, which `tools/data/make_shapes.py` makes: training takes minutes on two CPU cores."""
_base_ = ['../_base_/yolov9_model.py', '../_base_/yolov9_500e_coco.py']

data_root = 'data/shapes/'
image_size = 160
batch_size = 8
model = dict(
    backbone=dict(arch='t'),
    neck=dict(arch='t'),
    bbox_head=dict(num_classes=6, in_channels=(64, 96, 128), class_channels=80),
    aux_head=dict(
        type='PGIAuxHead',
        branch=dict(type='PyramidBranch', arch='t'),
        head=dict(type='YOLOv9Head', num_classes=6, in_channels=(64, 96, 128), class_channels=80)))

load_train = [*_base_.load_train[:-1], dict(_base_.load_train[-1], size=image_size)]
mosaic = dict(_base_.mosaic, size=image_size)
affine = dict(_base_.affine, size=(image_size, image_size), scale=0.4)
train_pipeline = [mosaic, affine, *_base_.finish]
test_pipeline = [_base_.test_pipeline[0], dict(_base_.test_pipeline[1], size=image_size), *_base_.test_pipeline[2:]]

shapes = dict(
    metainfo=dict(classes=('circle', 'square', 'triangle', 'star', 'cross', 'pentagon')),
    data_root=data_root,
    bad_boxes='error')
evaluated = dict(batch_shapes=dict(size=image_size), pipeline=test_pipeline, **shapes)
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=1,
    dataset=dict(
        dataset=dict(
            ann_file='annotations/instances_train.json', data_prefix=dict(img='train/'), pipeline=load_train, **shapes),
        pipeline=train_pipeline))
val_dataloader = dict(
    num_workers=1,
    dataset=dict(ann_file='annotations/instances_val.json', data_prefix=dict(img='val/'), **evaluated))
test_dataloader = dict(
    num_workers=1,
    dataset=dict(ann_file='annotations/instances_test.json', data_prefix=dict(img='test/'), **evaluated))
val_evaluator = dict(ann_file=data_root + 'annotations/instances_val.json')
test_evaluator = dict(ann_file=data_root + 'annotations/instances_test.json')

# an epoch has 50 iterations: an optimizer step in each, a warm-up of one epoch, an average over fewer steps
train_cfg = dict(max_epochs=15, val_interval=5)
optim_wrapper = dict(paramwise_cfg=dict(batch_size_per_gpu=batch_size, nominal_batch_size=batch_size))
default_hooks = dict(
    logger=dict(interval=25),
    warmup=dict(warmup_epochs=1, min_iters=25),
    close_mosaic=dict(num_last_epochs=6),
    ema=dict(tau=200))
