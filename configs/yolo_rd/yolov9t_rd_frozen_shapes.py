"""YOLOv9-T on Shapes with a dictionary of random atoms that are not trained: a control."""
_base_ = '../yolov9/yolov9t_shapes.py'

model = dict(backbone=dict(rd=dict(stage=1, num_atoms=128, alpha=0.8, freeze_atoms=True)))
