"""YOLOv9-C with a dictionary of 512 atoms after the stride-8 block, as released; random atoms, which are trained."""
_base_ = '../yolov9/yolov9c_coco.py'

model = dict(backbone=dict(rd=dict(stage=1, num_atoms=512, alpha=0.8)))
