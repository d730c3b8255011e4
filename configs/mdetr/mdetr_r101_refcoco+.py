"""MDETR fine-tuned on RefCOCO+; `load_from` should be a pre-trained model."""
_base_ = './mdetr_r101_refcoco.py'

train_dataloader = dict(dataset=dict(ann_file='OpenSource/finetune_refcoco+_train.json'))
val_dataloader = dict(dataset=dict(ann_file='OpenSource/finetune_refcoco+_val.json'))
test_dataloader = val_dataloader
