"""MDETR fine-tuned on RefCOCO; `load_from` should be a pre-trained model."""
_base_ = '../_base_/mdetr_model.py'

data_root = 'data/mdetr/'
referring = dict(type='MDETRDataset', data_root=data_root, data_prefix=dict(img='coco/train2014/'))
train_dataloader = dict(
    batch_size=4,
    dataset=dict(ann_file='OpenSource/finetune_refcoco_train.json', pipeline=_base_.train_pipeline, **referring))
val_dataloader = dict(
    dataset=dict(
        ann_file='OpenSource/finetune_refcoco_val.json', test_mode=True, pipeline=_base_.test_pipeline, **referring))
test_dataloader = val_dataloader
val_evaluator = dict(type='ReferringMetric')
test_evaluator = val_evaluator

train_cfg = dict(max_epochs=5)
optim_wrapper = dict(
    optimizer=dict(lr=5e-5),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.2), text_encoder=dict(lr_mult=0.2))))
default_hooks = dict(lr_schedule=dict(lr_drop=3), ema=_base_.ema)
auto_scale_lr = dict(base_batch_size=8)
