"""MDETR with a ResNet-18 and a small RoBERTa, both from scratch, on the captions of Shapes.

`tools/data/make_shapes.py` makes the data, `tools/data/make_tokenizer.py` the folder of the text encoder.
"""
_base_ = '../_base_/mdetr_model.py'

data_root = 'data/shapes/'
attention = dict(embed_dims=128, dropout=0.)
ffn = dict(embed_dims=128, feedforward_channels=256, ffn_drop=0.)
model = dict(
    num_queries=20,
    backbone=dict(
        depth=18, num_stages=3, strides=(1, 2, 2), dilations=(1, 1, 1), out_indices=(2, ), frozen_stages=-1,
        norm_cfg=dict(requires_grad=True), norm_eval=False, base_channels=32, init_cfg=None),
    neck=dict(in_channels=[128], out_channels=128),
    text_encoder=dict(name='data/text/shapes', pretrained=False),
    text_dropout=0.,
    encoder=dict(num_layers=2, layer_cfg=dict(self_attn_cfg=attention, ffn_cfg=ffn)),
    decoder=dict(
        num_layers=3, layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=ffn)),
    positional_encoding=dict(num_feats=64),
    bbox_head=dict(embed_dims=128))

size = [(160, None)]
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='TextAwareFlip', prob=0.5),
    dict(type='FloorResize', scales=size),
    dict(type='PackGroundingInputs')
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='FloorResize', scales=size),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackGroundingInputs')
]
shapes = dict(type='MDETRDataset', data_root=data_root)
grounding = dict(
    ann_file='annotations/grounding_train.json', data_prefix=dict(img='train/'), pipeline=train_pipeline, **shapes)
referring = dict(
    ann_file='annotations/refexp_train.json', data_prefix=dict(img='train/'), pipeline=train_pipeline, **shapes)
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(type='ConcatDataset', datasets=[grounding, referring]))
evaluated = dict(data_prefix=dict(img='test/'), test_mode=True, pipeline=test_pipeline, **shapes)
val_dataloader = dict(
    batch_size=8, num_workers=1, dataset=dict(ann_file='annotations/grounding_test.json', **evaluated))
test_dataloader = val_dataloader
ann_file = data_root + 'annotations/grounding_test.json'
val_evaluator = [
    dict(type='PhraseGroundingMetric', ann_file=ann_file),
    dict(type='AgnosticCocoMetric', ann_file=ann_file)
]
test_evaluator = val_evaluator

train_cfg = dict(max_epochs=30, val_interval=5)
optim_wrapper = dict(
    optimizer=dict(lr=5e-4),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=1.), text_encoder=dict(lr_mult=1.))))
custom_hooks = [dict(type='MDETRLrHook', schedule='linear_with_warmup', lr_drop=25, warmup_fraction=0.02)]
default_hooks = dict(logger=dict(interval=50), checkpoint=dict(max_keep_ckpts=2))
randomness = dict(seed=1)
