"""SMCA-DETR, single scale, whose Gaussians are round, with a width per head (the paper's single)."""
_base_ = './smca_r50_50e_coco.py'

model = dict(decoder=dict(dynamic_scale='type2'))
