_base_ = '../yolov9/yolov9t_shapes.py'

# Plain training: the same network without the auxiliary branch.
model = dict(aux_head=None)
