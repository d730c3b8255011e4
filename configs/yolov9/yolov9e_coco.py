_base_ = ['../_base_/yolov9_model.py', '../_base_/yolov9_500e_coco.py']

# The auxiliary pyramid reads maps 3, 4, 5 of the backbone: those of its first pass.
model = dict(
    backbone=dict(arch='e', with_first_pass=True),
    neck=dict(arch='e'),
    bbox_head=dict(in_channels=(256, 512, 512)),
    aux_head=dict(
        type='PGIAuxHead',
        branch=dict(type='PyramidBranch', arch='e', in_indices=(3, 4, 5)),
        head=dict(type='YOLOv9Head', num_classes=80, in_channels=(256, 512, 512))))
