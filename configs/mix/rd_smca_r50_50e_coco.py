"""SMCA-DETR, single scale, with a Retriever-Dictionary on the map that its encoder gets."""
_base_ = '../smca/smca_r50_50e_coco.py'

model = dict(neck=[_base_.model.neck, dict(type='RDNeck', in_channels=[256])])
