"""SMCA-DETR, single scale, whose Gaussians all have the same width (the paper's fixed)."""
_base_ = './smca_r50_50e_coco.py'

model = dict(decoder=dict(dynamic_scale='type1'))
