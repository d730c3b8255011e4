"""MDETR fine-tuned on Flickr30k Entities with the boxes of a phrase merged into one (MERGED-BOXES).

The schedule of this step was not published: 5 epochs at half the rate are ours. `load_from` should be a pre-trained
model.
"""
_base_ = '../_base_/mdetr_model.py'

data_root = 'data/mdetr/'
flickr = dict(type='MDETRDataset', data_root=data_root)
train_dataloader = dict(
    dataset=dict(
        ann_file='OpenSource/final_flickr_mergedGT_train.json',
        data_prefix=dict(img='flickr30k/train/'),
        pipeline=_base_.train_pipeline,
        **flickr))
evaluated = dict(data_prefix=dict(img='flickr30k/val/'), test_mode=True, pipeline=_base_.test_pipeline, **flickr)
val_dataloader = dict(dataset=dict(ann_file='OpenSource/final_flickr_mergedGT_val.json', **evaluated))
test_dataloader = dict(
    dataset=dict(ann_file='OpenSource/final_flickr_mergedGT_test.json', **evaluated))
entities = dict(type='PhraseGroundingMetric', entities_root=data_root + 'flickr30k_entities', protocol='merged_boxes')
val_evaluator = dict(split_file='val.txt', **entities)
test_evaluator = dict(split_file='test.txt', **entities)

train_cfg = dict(max_epochs=5)
optim_wrapper = dict(
    optimizer=dict(lr=5e-5),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.2), text_encoder=dict(lr_mult=0.2))))
default_hooks = dict(lr_schedule=dict(lr_drop=3), ema=_base_.ema)
