"""SMCA-DETR, single scale, whose Gaussians have a product term, which the paper does not mention."""
_base_ = './smca_r50_50e_coco.py'

model = dict(decoder=dict(dynamic_scale='type4'))
