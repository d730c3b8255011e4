"""YOLOv9-C with a dictionary of random atoms that are not trained: a control."""
_base_ = '../yolov9/yolov9c_coco.py'

model = dict(backbone=dict(rd=dict(stage=1, num_atoms=512, alpha=0.8, freeze_atoms=True)))
