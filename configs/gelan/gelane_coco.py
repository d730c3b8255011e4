_base_ = '../yolov9/yolov9e_coco.py'

# Plain training: the same network without the auxiliary branch and the first pass, which only that branch reads.
model = dict(backbone=dict(with_first_pass=False), aux_head=None)
