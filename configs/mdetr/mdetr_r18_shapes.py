"""MDETR with a ResNet-18 and a small RoBERTa, both from scratch, on the captions of Shapes: half an hour on two cores.

    python tools/data/make_shapes.py --train 3000 --out data/shapes_text
    A=data/shapes_text/annotations
    python tools/data/make_tokenizer.py --texts $A/grounding_train.json $A/refexp_train.json --vocab-size 400 \
        --dropout 0 --out data/text/shapes

Its decoder is SMCA's, which learns in fewer steps than MDETR's own.
`mdetr_r18_shapes_referring.py` evaluates expressions.
"""
_base_ = '../_base_/mdetr_model.py'

data_root = 'data/shapes_text/'
image_size = 160
pipelines_image_size = image_size
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
        type='SMCATransformerDecoder', strides=(16, ), num_layers=3,
        layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=ffn)),
    positional_encoding=dict(num_feats=64),
    bbox_head=dict(embed_dims=128, normalised_maps=True))

size = [(image_size, None)]
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
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
    batch_size=24,
    num_workers=1,
    sampler=dict(_delete_=True, type='CaptionGroupSampler', group=3),  # each 3 captions of a batch have the same image
    dataset=dict(type='ConcatDataset', datasets=[grounding, referring]))
evaluated = dict(test_mode=True, pipeline=test_pipeline, **shapes)
val_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(ann_file='annotations/grounding_val.json', data_prefix=dict(img='val/'), **evaluated))
test_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(ann_file='annotations/grounding_test.json', data_prefix=dict(img='test/'), **evaluated))
val_evaluator = dict(type='PhraseGroundingMetric')  # on the annotations of the data set
test_evaluator = val_evaluator

train_cfg = dict(max_epochs=6, val_interval=2)
optim_wrapper = dict(optimizer=dict(lr=5e-4, fused=True), paramwise_cfg=None)  # one rate for all
default_hooks = dict(
    lr_schedule=dict(schedule='all_linear_with_warmup', warmup_fraction=0.05), checkpoint=dict(max_keep_ckpts=2))
randomness = dict(seed=1)
