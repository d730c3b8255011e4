"""SMCA-DETR, single scale, on ResNet-50 in the long schedule; the epoch of the drop is not published."""
_base_ = './smca_r50_50e_coco.py'

train_cfg = dict(max_epochs=108)
param_scheduler = [dict(type='MultiStepLR', end=108, milestones=[86])]
