"""SMCA-DETR, single scale, with one Gaussian per query for all heads."""
_base_ = './smca_r50_50e_coco.py'

model = dict(decoder=dict(head_shared=True))
