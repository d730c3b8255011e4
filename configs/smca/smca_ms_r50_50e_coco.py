"""SMCA-DETR with three scales, as the paper has it, on ResNet-50: 8 GPUs with 1 image each."""
_base_ = './smca_r50_50e_coco.py'

ffn_cfg = dict(feedforward_channels=1024)
model = dict(
    backbone=dict(out_indices=(2, 3)),
    neck=dict(in_channels=[1024, 2048], num_outs=3),  # stride 64: a convolution of the last map of the backbone
    extra_maps=1,
    encoder=dict(
        num_layers=5,
        layer_cfg=dict(ffn_cfg=ffn_cfg),
        multi_scale=(False, False, True, False, False)),
    decoder=dict(layer_cfg=dict(ffn_cfg=ffn_cfg), strides=(16, 32, 64)))
train_dataloader = dict(batch_size=1)
auto_scale_lr = dict(base_batch_size=8)
