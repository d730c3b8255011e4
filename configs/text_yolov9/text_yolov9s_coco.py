"""YOLOv9-S asked by words on COCO, as `text_yolov9t_coco.py` is."""
_base_ = './text_yolov9t_coco.py'

head = dict(in_channels=(128, 192, 256), class_channels=128)
model = dict(
    backbone=dict(arch='s'),
    neck=dict(arch='s'),
    bbox_head=head,
    aux_head=dict(branch=dict(arch='s'), head=head))
