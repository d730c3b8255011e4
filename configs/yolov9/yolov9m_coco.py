_base_ = ['../_base_/yolov9_model.py', '../_base_/yolov9_500e_coco.py']

model = dict(
    backbone=dict(arch='m'),
    neck=dict(arch='m'),
    bbox_head=dict(in_channels=(240, 360, 480)),
    aux_head=dict(
        type='PGIAuxHead',
        branch=dict(type='ReversibleBranch', arch='m'),
        head=dict(type='YOLOv9Head', num_classes=80, in_channels=(240, 360, 480))))
