_base_ = '../yolov9/yolov9e_coco.py'

# Plain training: the same network without the auxiliary branch, which alone reads the first pass.
model = dict(backbone=dict(with_first_pass=False), aux_head=None)
