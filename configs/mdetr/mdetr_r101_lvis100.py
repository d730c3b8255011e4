"""MDETR on all of LVIS; `load_from` should be a pre-trained model."""
_base_ = './mdetr_r101_lvis10.py'

train_dataloader = dict(dataset=dict(ann_file='OpenSource/finetune_lvis_train.json'))
