_base_ = ['../_base_/yolov9_model.py', '../_base_/yolov9_500e_coco.py']

model = dict(
    backbone=dict(arch='s'),
    neck=dict(arch='s'),
    bbox_head=dict(in_channels=(128, 192, 256)),
    aux_head=dict(
        type='PGIAuxHead',
        branch=dict(type='PyramidBranch', arch='s'),
        head=dict(type='YOLOv9Head', num_classes=80, in_channels=(128, 192, 256))))
