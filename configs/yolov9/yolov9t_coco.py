_base_ = ['../_base_/yolov9_model.py', '../_base_/yolov9_500e_coco.py']

# The published t (2.00 M parameters deployed) has class towers of 80 channels; the rule of other sizes would give 128.
model = dict(
    backbone=dict(arch='t'),
    neck=dict(arch='t'),
    bbox_head=dict(in_channels=(64, 96, 128), class_channels=80),
    aux_head=dict(
        type='PGIAuxHead',
        branch=dict(type='PyramidBranch', arch='t'),
        head=dict(type='YOLOv9Head', num_classes=80, in_channels=(64, 96, 128), class_channels=80)))
