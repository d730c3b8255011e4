"""YOLOv9-S asked by words on MDETR's pre-training files: the phrases of captions as texts, RoBERTa-base trained along.

Each image has the phrases of its own caption, and as negatives phrases of other images of the batch.
"""
_base_ = ['../_base_/yolov9_model.py', '../_base_/yolov9_500e_coco.py']

data_root = 'data/mdetr/'
head = dict(type='TextYOLOv9Head', embed_dims=256, in_channels=(128, 192, 256), class_channels=128)
model = dict(
    type='TextYOLOv9',
    backbone=dict(arch='s'),
    neck=dict(arch='s'),
    text_encoder=dict(type='TransformersTextEncoder', name='roberta-base', pooling='mean', frozen=False),
    project_text=True,
    batch_negatives=40,
    bbox_head=dict(_delete_=True, **head),
    aux_head=dict(type='PGIAuxHead', branch=dict(type='PyramidBranch', arch='s'), head=head))

load_train = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='TextAwareFlip', prob=0.5),
    dict(type='YOLOResize', size=_base_.image_size, shrink='linear'),
    dict(type='LoadTexts'),
]
affine = dict(_base_.affine, scale=0.5)
train_pipeline = [_base_.mosaic, affine, *_base_.finish[:-2], dict(type='PackTextInputs')]
test_pipeline = [*_base_.test_pipeline[:-1], dict(type='PackTextInputs')]
files = dict(type='MDETRDataset', data_root=data_root)
flickr = dict(
    ann_file='OpenSource/final_flickr_separateGT_train.json', data_prefix=dict(img='flickr30k/train/'),
    pipeline=load_train, **files)
mixed = dict(
    ann_file='OpenSource/final_mixed_train.json', data_prefix=dict(coco='coco/train2014/', vg='gqa/images/'),
    pipeline=load_train, **files)
train_dataloader = dict(
    dataset=dict(
        _delete_=True, type='SeededMixDataset', pipeline=train_pipeline,
        dataset=dict(type='ConcatDataset', datasets=[flickr, mixed])))
val_dataloader = dict(
    sampler=dict(_delete_=True, type='DefaultSampler', shuffle=False),
    dataset=dict(
        _delete_=True, ann_file='OpenSource/final_flickr_separateGT_val.json',
        data_prefix=dict(img='flickr30k/val/'), test_mode=True, pipeline=test_pipeline, **files))
test_dataloader = val_dataloader
recall = 'any_box/recall@1_all'
val_evaluator = dict(
    _delete_=True, type='PhraseGroundingMetric', entities_root=data_root + 'flickr30k_entities', split_file='val.txt')
test_evaluator = val_evaluator

train_cfg = dict(max_epochs=40)
default_hooks = dict(
    checkpoint=dict(save_best=recall), patience=dict(monitor=recall), close_mosaic=dict(num_last_epochs=10))
visualizer = dict(type='GroundingVisualizer')
