"""YOLOv9-T on Shapes with atoms from features of the training images in a trained detector of the same size.

docs/yolo_rd.md has the command that makes the file of atoms.
"""
_base_ = '../yolov9/yolov9t_shapes.py'

atoms = 'data/dictionaries/yolov9t_vision_shapes.pt'
model = dict(backbone=dict(rd=dict(stage=1, num_atoms=128, alpha=0.8, atoms=atoms, init_g='match')))
