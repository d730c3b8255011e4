"""Masks for the referring expressions of Shapes, on the frozen model of `mdetr_r18_shapes.py`."""
_base_ = './mdetr_r18_shapes.py'

data_root = 'data/shapes_text/'
model = dict(
    type='MDETRSegmenter',
    backbone=dict(out_indices=(0, 1, 2)),
    mask_head=dict(type='MDETRMaskHead', embed_dims=128, in_channels=(32, 64)),
    freeze_detector=True,
    test_cfg=dict(score_thr=0.5))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(type='FloorResize', scales=[(_base_.image_size, None)]),
    dict(type='PackGroundingInputs')
]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='MDETRDataset',
        data_root=data_root,
        ann_file='annotations/refexp_train.json',
        data_prefix=dict(img='train/'),
        with_mask=True,
        pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(ann_file='annotations/refexp_val.json'))
test_dataloader = dict(dataset=dict(ann_file='annotations/refexp_test.json'))
val_evaluator = dict(_delete_=True, type='PhraseCutMetric', ann_file=data_root + 'annotations/refexp_val.json')
test_evaluator = dict(_delete_=True, type='PhraseCutMetric', ann_file=data_root + 'annotations/refexp_test.json')

train_cfg = dict(max_epochs=4)
load_from = 'work_dirs/demo_mdetr/epoch_6.pth'
