"""SMCA-DETR on a ResNet-18 from scratch, on Shapes: small enough to learn on two CPU cores in minutes.

`tools/data/make_shapes.py` makes the data. `detr_r18_shapes.py` is the same without modulation.
"""
_base_ = ['../_base_/detr_small_shapes.py']

model = dict(type='SMCADETR', decoder=dict(strides=(16, )), bbox_head=dict(type='SMCAHead'))
