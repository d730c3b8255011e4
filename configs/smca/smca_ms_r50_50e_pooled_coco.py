"""SMCA-DETR with three scales, of which the coarsest is pooled: a reading of the paper with fewer parameters."""
_base_ = './smca_ms_r50_50e_coco.py'

model = dict(neck=dict(_delete_=True, type='ExtraMapMapper', in_channels=[1024, 2048], out_channels=256))
