"""The released multi-scale SMCA-DETR on ResNet-50: a convolutional encoder over four maps, not the paper's."""
_base_ = './smca_r50_50e_coco.py'

model = dict(
    backbone=dict(out_indices=(1, 2, 3)),
    neck=dict(in_channels=[512, 1024, 2048], num_outs=4),  # stride 64: a convolution of the last map of the backbone
    extra_maps=1,
    encoder=dict(_delete_=True, type='SMCAConvEncoder', num_layers=6, kernel_size=7),
    decoder=dict(layer_cfg=dict(ffn_cfg=dict(feedforward_channels=1024)), strides=(16, 16, 32, 64)),
    test_cfg=dict(max_per_img=500))
train_dataloader = dict(batch_size=1)
auto_scale_lr = dict(base_batch_size=8)
