_base_ = ['../_base_/yolov9_model.py', '../_base_/yolov9_500e_coco.py']

# For the paper's best setting (LHG-ICN) add `lead_guided=True` to aux_head.
model = dict(
    backbone=dict(arch='c'),
    neck=dict(arch='c'),
    bbox_head=dict(in_channels=(256, 512, 512)),
    aux_head=dict(
        type='PGIAuxHead',
        branch=dict(type='ReversibleBranch', arch='c'),
        head=dict(type='YOLOv9Head', num_classes=80, in_channels=(512, 512, 512))))
