"""MDETR on PhraseCut, second stage: masks on the frozen detector. `load_from` should be the first stage."""
_base_ = './mdetr_r101_phrasecut.py'

data_root = 'data/mdetr/'
model = dict(
    type='MDETRSegmenter',
    backbone=dict(out_indices=(0, 1, 2, 3)),
    mask_head=dict(type='MDETRMaskHead', in_channels=(256, 512, 1024)),
    freeze_detector=True,
    test_cfg=dict(score_thr=0.7))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    _base_.random_resize,
    dict(type='PackGroundingInputs')
]
train_dataloader = dict(dataset=dict(with_mask=True, pipeline=train_pipeline))
val_evaluator = dict(_delete_=True, type='PhraseCutMetric', ann_file=data_root + 'phrasecut/refer_miniv.json')
test_evaluator = val_evaluator

train_cfg = dict(max_epochs=35)
optim_wrapper = dict(optimizer=dict(lr=1e-4))
default_hooks = dict(lr_schedule=dict(lr_drop=25))
