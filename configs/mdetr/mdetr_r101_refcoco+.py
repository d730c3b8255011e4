"""MDETR fine-tuned on RefCOCO+; `load_from` should be a pre-trained model."""
_base_ = './mdetr_r101_refcoco.py'

data_root = 'data/mdetr/'
train_dataloader = dict(dataset=dict(ann_file='OpenSource/finetune_refcoco+_train.json'))
val_dataloader = dict(dataset=dict(ann_file='OpenSource/finetune_refcoco+_val.json'))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'OpenSource/finetune_refcoco+_val.json')
test_evaluator = val_evaluator
