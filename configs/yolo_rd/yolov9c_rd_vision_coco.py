"""YOLOv9-C with atoms from features of the training images in a trained detector of the same size.

docs/yolo_rd.md has the command that makes the file of atoms.
"""
_base_ = '../yolov9/yolov9c_coco.py'

atoms = 'data/dictionaries/yolov9c_vision_coco.pt'
model = dict(backbone=dict(rd=dict(stage=1, num_atoms=512, alpha=0.8, atoms=atoms, init_g='match')))
