"""SMCA-DETR on GELAN-C, YOLOv9's backbone."""
_base_ = '../smca/smca_r50_50e_coco.py'

model = dict(
    backbone=dict(_delete_=True, type='GELAN', arch='c', out_indices=(3, )),
    neck=dict(in_channels=[512]))
