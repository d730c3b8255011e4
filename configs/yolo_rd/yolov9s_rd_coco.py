"""YOLOv9-S with a dictionary of 512 atoms after the stride-8 block; random atoms, trained with the rest."""
_base_ = '../yolov9/yolov9s_coco.py'

model = dict(backbone=dict(rd=dict(stage=1, num_atoms=512, alpha=0.8)))
