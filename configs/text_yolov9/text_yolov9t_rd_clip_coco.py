"""YOLOv9-T asked by words, with a retriever dictionary of CLIP's features of patches of the training images.

docs/yolo_rd.md has the command that makes the file of atoms.
"""
_base_ = './text_yolov9t_coco.py'

atoms = 'data/dictionaries/yolov9t_clip_coco.pt'
model = dict(backbone=dict(rd=dict(stage=1, num_atoms=512, alpha=0.8, atoms=atoms, init_g='match')))
