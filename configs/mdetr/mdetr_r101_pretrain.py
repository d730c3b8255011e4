"""MDETR's pre-training on ResNet-101: Flickr30k Entities and the combined captions, 32 GPUs with 2 images each."""
_base_ = '../_base_/mdetr_model.py'

data_root = 'data/mdetr/'
flickr = dict(
    type='MDETRDataset',
    data_root=data_root,
    ann_file='OpenSource/final_flickr_separateGT_train.json',
    data_prefix=dict(img='flickr30k/train/'),
    pipeline=_base_.train_pipeline)
mixed = dict(
    type='MDETRDataset',
    data_root=data_root,
    ann_file='OpenSource/final_mixed_train.json',
    data_prefix=dict(coco='coco/train2014/', vg='gqa/images/'),
    pipeline=_base_.train_pipeline)
train_dataloader = dict(dataset=dict(type='ConcatDataset', datasets=[flickr, mixed]))
val_dataloader = dict(
    dataset=dict(
        type='MDETRDataset',
        data_root=data_root,
        ann_file='OpenSource/final_flickr_separateGT_val.json',
        data_prefix=dict(img='flickr30k/val/'),
        test_mode=True,
        pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
val_evaluator = [
    dict(type='PhraseGroundingMetric', entities_root=data_root + 'flickr30k_entities', split_file='val.txt'),
    dict(type='AgnosticCocoMetric')
]
test_evaluator = val_evaluator

default_hooks = dict(ema=_base_.ema)
