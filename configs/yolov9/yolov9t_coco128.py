"""YOLOv9-T from scratch on coco128, at 480 pixels: 128 images of COCO for training and 128 others for evaluation.

The folder is data/coco128 or the value of the environment variable MMDET_EXT_COCO128, with the layout of COCO.
"""
_base_ = ['../_base_/yolov9_model.py', '../_base_/yolov9_500e_coco.py']

data_root = '{{$MMDET_EXT_COCO128:data/coco128}}/'
image_size = 480
model = dict(
    backbone=dict(arch='t'),
    neck=dict(arch='t'),
    bbox_head=dict(in_channels=(64, 96, 128), class_channels=80),
    aux_head=dict(
        type='PGIAuxHead',
        branch=dict(type='PyramidBranch', arch='t'),
        head=dict(type='YOLOv9Head', num_classes=80, in_channels=(64, 96, 128), class_channels=80)))

load_train = [*_base_.load_train[:-1], dict(_base_.load_train[-1], size=image_size)]
mosaic = dict(_base_.mosaic, size=image_size)
affine = dict(_base_.affine, size=(image_size, image_size))
mixup = dict(_base_.mixup, transforms=[mosaic, _base_.copy_paste, affine])
train_pipeline = [mosaic, _base_.copy_paste, affine, mixup, *_base_.finish]
test_pipeline = [_base_.test_pipeline[0], dict(_base_.test_pipeline[1], size=image_size), *_base_.test_pipeline[2:]]

train_dataloader = dict(
    num_workers=2, dataset=dict(dataset=dict(data_root=data_root, pipeline=load_train), pipeline=train_pipeline))
val_dataloader = dict(
    num_workers=2,
    dataset=dict(data_root=data_root, batch_shapes=dict(size=image_size), pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'annotations/instances_val2017.json')
test_evaluator = val_evaluator

train_cfg = dict(max_epochs=300, val_interval=10)
# an epoch has 8 iterations: an optimizer step in each
optim_wrapper = dict(paramwise_cfg=dict(nominal_batch_size=16))
default_hooks = dict(logger=dict(interval=8))
