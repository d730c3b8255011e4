"""MDETR fine-tuned on RefCOCOg; `load_from` should be a pre-trained model."""
_base_ = './mdetr_r101_refcoco.py'

train_dataloader = dict(dataset=dict(ann_file='OpenSource/finetune_refcocog_train.json'))
val_dataloader = dict(dataset=dict(ann_file='OpenSource/finetune_refcocog_val.json'))
test_dataloader = val_dataloader

train_cfg = dict(max_epochs=3)
default_hooks = dict(lr_schedule=dict(lr_drop=2))
