"""The released multi-scale SMCA-DETR on ResNet-101, where each pair of neighbouring maps has convolutions."""
_base_ = './smca_ms_conv_r50_50e_coco.py'

model = dict(
    backbone=dict(depth=101, init_cfg=dict(checkpoint='torchvision://resnet101')),
    encoder=dict(share_cross=False))
