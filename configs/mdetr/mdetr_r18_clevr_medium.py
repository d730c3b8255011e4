"""MDETR on CLEVR, first stage: boxes of questions that name no object twice; answers are not trained yet.

`tools/data/build_clevr.py --medium` makes the files. Images are resized as published for CLEVR.
"""
_base_ = '../_base_/mdetr_model.py'

data_root = 'data/mdetr/clevr/'
image_size = 320  # short side of CLEVR's images, which are evaluated as they are
pipelines_image_size = image_size
model = dict(
    num_queries=25,
    backbone=dict(depth=18, init_cfg=dict(checkpoint='torchvision://resnet18')),
    neck=dict(in_channels=[512]),
    text_encoder=dict(name='distilroberta-base'))

short_sides = [(side, 512) for side in range(256, 385, 32)]
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='RandomChoice',
        transforms=[[dict(type='FloorResize', scales=short_sides)],
                    [
                        dict(type='FloorResize', scales=[(320, None), (352, None), (384, None)]),
                        dict(type='BoxSafeRandomCrop', min_size=256, max_size=512),
                        dict(type='FloorResize', scales=short_sides)
                    ]]),
    dict(type='PackGroundingInputs')
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackGroundingInputs')
]
questions = dict(type='ClevrDataset', data_root=data_root)
train_dataloader = dict(
    batch_size=64,
    dataset=dict(
        ann_file='medium/train.json', data_prefix=dict(img='images/train/'), pipeline=train_pipeline, **questions))
evaluated = dict(data_prefix=dict(img='images/val/'), test_mode=True, pipeline=test_pipeline, **questions)
val_dataloader = dict(batch_size=64, dataset=dict(ann_file='medium/val.json', **evaluated))
test_dataloader = val_dataloader
val_evaluator = dict(type='AgnosticCocoMetric')
test_evaluator = val_evaluator

train_cfg = dict(max_epochs=30)
default_hooks = dict(lr_schedule=dict(lr_drop=20), ema=_base_.ema)
