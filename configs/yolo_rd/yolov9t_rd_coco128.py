"""YOLOv9-T on coco128 with a dictionary of 128 atoms after the stride-8 block; random atoms, trained with the rest."""
_base_ = '../yolov9/yolov9t_coco128.py'

model = dict(backbone=dict(rd=dict(stage=1, num_atoms=128, alpha=0.8)))
