"""YOLOv9-T on Shapes, which `tools/data/make_shapes.py` makes: training takes minutes on two CPU cores."""
_base_ = ['../_base_/yolov9_model.py', '../_base_/yolov9_500e_coco.py']

data_root = 'data/shapes/'
image_size = 160
classes = ('circle', 'square', 'triangle', 'star', 'cross', 'pentagon')
batch_size = 8
model = dict(
    backbone=dict(arch='t'),
    neck=dict(arch='t'),
    bbox_head=dict(in_channels=(64, 96, 128), class_channels=80),
    aux_head=dict(
        type='PGIAuxHead',
        branch=dict(type='PyramidBranch', arch='t'),
        head=dict(type='YOLOv9Head', num_classes=len(classes), in_channels=(64, 96, 128), class_channels=80)))

affine = dict(_base_.affine, scale=0.4)
train_pipeline = [_base_.mosaic, affine, *_base_.finish]
shapes = dict(data_root=data_root, bad_boxes='error')
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=1,
    dataset=dict(
        dataset=dict(ann_file='annotations/instances_train.json', data_prefix=dict(img='train/'), **shapes),
        pipeline=train_pipeline))
val_dataloader = dict(
    num_workers=1,
    dataset=dict(ann_file='annotations/instances_val.json', data_prefix=dict(img='val/'), **shapes))
test_dataloader = dict(
    num_workers=1,
    dataset=dict(ann_file='annotations/instances_test.json', data_prefix=dict(img='test/'), **shapes))

# an epoch has 50 iterations: an optimizer step in each, a warm-up of one epoch, an average over fewer steps
train_cfg = dict(max_epochs=15, val_interval=5)
optim_wrapper = dict(paramwise_cfg=dict(batch_size_per_gpu=batch_size, nominal_batch_size=batch_size))
default_hooks = dict(
    logger=dict(interval=25),
    warmup=dict(warmup_epochs=1, min_iters=25),
    close_mosaic=dict(num_last_epochs=6),
    ema=dict(tau=200))
