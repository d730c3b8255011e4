"""YOLOv9-T asked by words on Shapes, without six of its pairs of colour and shape; it is evaluated on these.

    python tools/data/make_shapes.py --train 3000 --out data/shapes_text
    python tools/data/leave_out_pairs.py --data data/shapes_text --out data/shapes_pairs
    A=data/shapes_text/annotations
    python tools/data/make_tokenizer.py --texts $A/grounding_train.json $A/refexp_train.json --vocab-size 400 \
        --dropout 0 --out data/text/shapes

`python tools/demo.py text_yolov9` does all of this, and trains a control on shuffled texts too.
"""
_base_ = ['../_base_/yolov9_model.py', '../_base_/yolov9_500e_coco.py']

image_size = 160
batch_size = 8
left_out = ('red circle', 'orange square', 'yellow triangle', 'green star', 'cyan cross', 'blue pentagon')
pairs = 'data/shapes_pairs/'
names_file, captions_file = pairs + 'grounding_names.json', pairs + 'grounding_captions.json'

head = dict(type='TextYOLOv9Head', embed_dims=64, in_channels=(64, 96, 128), class_channels=80)
model = dict(
    type='TextYOLOv9',
    backbone=dict(arch='t'),
    neck=dict(arch='t'),
    text_encoder=dict(type='WordTextEncoder', name='data/text/shapes', embed_dims=64),
    batch_negatives=20,
    bbox_head=dict(_delete_=True, **head))  # without PGI it trains in two thirds of the time

load_train = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='YOLOResize', size=_base_.image_size, shrink='linear'),
    dict(type='LoadTexts'),
]
affine = dict(_base_.affine, scale=0.4)
hsv = dict(type='YOLOHSV', hue=0.01, saturation=0.2, value=0.2)  # colours must keep their names
flip = dict(type='RandomFlip', prob=0.5)
# names say all that an image shows: whatever else could be named is not there
names_pipeline = [
    _base_.mosaic, affine, hsv, flip, dict(type='PackTextInputs', num_texts=60, vocabulary=pairs + 'names.txt')
]
captions_pipeline = [affine, hsv, flip, dict(type='PackTextInputs')]
shapes = dict(
    type='MDETRDataset', data_prefix=dict(img='data/shapes_text/train/'), pipeline=load_train)
test_pipeline = [*_base_.test_pipeline[:-1], dict(type='PackTextInputs')]
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=1,
    dataset=dict(
        _delete_=True,
        type='SeededConcatDataset',
        datasets=[
            dict(type='SeededMixDataset', dataset=dict(ann_file=names_file, **shapes), pipeline=names_pipeline),
            dict(type='SeededMixDataset', dataset=dict(ann_file=captions_file, **shapes), pipeline=captions_pipeline)
        ]))
val_dataloader = dict(
    num_workers=1,
    dataset=dict(
        data_root='',
        ann_file=pairs + 'instances_left_out.json',
        data_prefix=dict(img='data/shapes_text/train/'),
        metainfo=dict(classes=left_out),
        return_classes=True,
        bad_boxes='error',
        pipeline=test_pipeline))
test_dataloader = val_dataloader

train_cfg = dict(max_epochs=5, val_interval=5)
optim_wrapper = dict(paramwise_cfg=dict(batch_size_per_gpu=batch_size, nominal_batch_size=batch_size))
default_hooks = dict(
    logger=dict(interval=25),
    warmup=dict(warmup_epochs=1, min_iters=25),
    close_mosaic=dict(num_last_epochs=1),
    ema=dict(tau=200))
