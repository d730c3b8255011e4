"""YOLOv9-T on Shapes, small enough to learn on two CPU cores in minutes (`tools/data/make_shapes.py` makes the data)."""
_base_ = './yolov9t_coco.py'

data_root = 'data/shapes/'
image_size = 192
batch_size = 16
classes = ('circle', 'square', 'triangle', 'star', 'cross', 'pentagon')
model = dict(bbox_head=dict(num_classes=6), aux_head=dict(head=dict(num_classes=6)))

load_train = [*_base_.load_train[:-1], dict(_base_.load_train[-1], size=image_size)]
mosaic = dict(_base_.mosaic, size=image_size)
affine = dict(_base_.affine, size=(image_size, image_size), scale=0.5)
train_pipeline = [mosaic, affine, *_base_.finish]
test_pipeline = [_base_.test_pipeline[0], dict(_base_.test_pipeline[1], size=image_size), *_base_.test_pipeline[2:]]

split = dict(metainfo=dict(classes=classes), data_root=data_root, bad_boxes='error')
shapes = dict(dataset=dict(batch_shapes=dict(size=image_size), pipeline=test_pipeline, **split), num_workers=1)
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=1,
    dataset=dict(
        dataset=dict(
            ann_file='annotations/instances_train.json', data_prefix=dict(img='train/'), pipeline=load_train, **split),
        pipeline=train_pipeline))
val_dataloader = dict(shapes, dataset=dict(ann_file='annotations/instances_val.json', data_prefix=dict(img='val/'), **shapes['dataset']))
test_dataloader = dict(shapes, dataset=dict(ann_file='annotations/instances_test.json', data_prefix=dict(img='test/'), **shapes['dataset']))
val_evaluator = dict(ann_file=data_root + 'annotations/instances_val.json')
test_evaluator = dict(ann_file=data_root + 'annotations/instances_test.json')

train_cfg = dict(max_epochs=24, val_interval=4)
optim_wrapper = dict(paramwise_cfg=dict(batch_size_per_gpu=batch_size, nominal_batch_size=batch_size))
default_hooks = dict(
    logger=dict(interval=10),
    warmup=dict(warmup_epochs=1, min_iters=25),
    close_mosaic=dict(num_last_epochs=10),
    ema=dict(tau=200))
