_base_ = '../yolov9c_coco.py'

# The auxiliary branch is a second top-down neck (FPN) in place of a second GELAN.
model = dict(
    aux_head=dict(
        branch=dict(_delete_=True, type='PyramidBranch', arch='c'), head=dict(in_channels=(256, 512, 512))))
