"""MDETR with a ResNet-18 and a small RoBERTa on coco128, every class a prompt of its own.

    A=COCO128/annotations
    P=data/coco128_text/prompts.json
    python tools/data/build_lvis_prompts.py $A/instances_train2017.json --negatives 3 --out $P
    python tools/data/make_tokenizer.py --texts $P --vocab-size 400 --out data/text/coco128_prompts

The images lie in data/coco128, or where the environment variable MMDET_EXT_COCO128 points, laid out as COCO is.
"""
_base_ = '../_base_/mdetr_model.py'

image_size = 480  # short side in the evaluation
pipelines_image_size = image_size
images = '{{$MMDET_EXT_COCO128:data/coco128}}/'
model = dict(
    type='PromptedMDETR',
    backbone=dict(depth=18, init_cfg=dict(checkpoint='torchvision://resnet18')),
    neck=dict(in_channels=[512]),
    text_encoder=dict(name='data/text/coco128_prompts', pretrained=False),
    test_cfg=dict(chunk=40, max_per_img=100))
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='FloorResize', scales=[(image_size, 800)]),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'text'))
]
train_dataloader = dict(
    dataset=dict(
        type='MDETRDataset',
        ann_file='data/coco128_text/prompts.json',
        data_prefix=dict(img=images + 'train2017/'),
        pipeline=_base_.train_pipeline))
val_dataloader = dict(
    dataset=dict(
        type='CheckedCocoDataset',
        ann_file=images + 'annotations/instances_val2017.json',
        data_prefix=dict(img=images + 'val2017/'),
        test_mode=True,
        return_classes=True,
        pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='FastCocoMetric', metric='bbox')
test_evaluator = val_evaluator
visualizer = dict(type='LargeVisualizer')

train_cfg = dict(max_epochs=50, val_interval=10)
default_hooks = dict(lr_schedule=dict(lr_drop=40, warmup_fraction=0.02))
