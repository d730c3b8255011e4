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
train_dataloader = dict(num_workers=2, dataset=dict(dataset=dict(data_root=data_root)))
val_dataloader = dict(num_workers=2, dataset=dict(data_root=data_root))
test_dataloader = val_dataloader

train_cfg = dict(max_epochs=300, val_interval=10)
# an epoch has 8 iterations: an optimizer step in each
optim_wrapper = dict(paramwise_cfg=dict(nominal_batch_size=16))
default_hooks = dict(logger=dict(interval=8))
