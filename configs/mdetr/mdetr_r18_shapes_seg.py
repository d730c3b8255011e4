"""MDETR with masks on the referring expressions of Shapes; `load_from` should be a model of `mdetr_r18_shapes.py`."""
_base_ = './mdetr_r18_shapes.py'

data_root = 'data/shapes_text/'
model = dict(
    type='MDETRSegmenter',
    backbone=dict(out_indices=(0, 1, 2)),
    bbox_head=dict(loss_align=None),
    mask_head=dict(type='MDETRMaskHead', embed_dims=128, in_channels=(32, 64)))
