"""mmdet's DETR on a ResNet-18 from scratch, on Shapes: what `smca_r18_shapes.py` is compared with."""
_base_ = ['../_base_/detr_small_shapes.py']

# focal loss begins at a probability of 0.01, as SMCAHead does by itself
classifier = dict(type='Normal', name='fc_cls', std=0.01, bias_prob=0.01)
model = dict(
    type='DETR',
    decoder=dict(return_intermediate=True),
    bbox_head=dict(type='DETRHead', init_cfg=dict(type='Normal', std=0.01, override=classifier)))
