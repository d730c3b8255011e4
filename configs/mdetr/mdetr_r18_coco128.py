"""MDETR with a ResNet-18 and a small RoBERTa on captions made of the annotations of coco128.

    A=COCO128/annotations
    python tools/data/coco_to_grounding.py $A/instances_train2017.json --out data/coco128_text/train.json
    python tools/data/coco_to_grounding.py $A/instances_val2017.json --out data/coco128_text/val.json
    python tools/data/make_tokenizer.py --texts data/coco128_text/train.json --vocab-size 1000 --out data/text/coco128

The images lie in data/coco128, or where the environment variable MMDET_EXT_COCO128 points, laid out as COCO is.
"""
_base_ = '../_base_/mdetr_model.py'

images = '{{$MMDET_EXT_COCO128:data/coco128}}/'
model = dict(
    backbone=dict(depth=18, init_cfg=dict(checkpoint='torchvision://resnet18')),
    neck=dict(in_channels=[512]),
    text_encoder=dict(name='data/text/coco128', pretrained=False))
# left and right in these captions are exchanged where the image is flipped
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='TextAwareFlip', prob=0.5),
    _base_.random_resize,
    dict(type='PackGroundingInputs')
]
coco128 = dict(type='MDETRDataset', data_root='data/coco128_text/')
train_dataloader = dict(
    dataset=dict(
        ann_file='train.json', data_prefix=dict(img=images + 'train2017/'), pipeline=train_pipeline, **coco128))
val_dataloader = dict(
    dataset=dict(
        ann_file='val.json', data_prefix=dict(img=images + 'val2017/'), test_mode=True, pipeline=_base_.test_pipeline,
        **coco128))
test_dataloader = val_dataloader
val_evaluator = dict(type='PhraseGroundingMetric')
test_evaluator = val_evaluator

train_cfg = dict(max_epochs=100, val_interval=10)
default_hooks = dict(lr_schedule=dict(lr_drop=80, warmup_fraction=0.02))
