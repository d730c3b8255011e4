"""MDETR on CLEVR-Ref+: an expression names several objects, and the model predicts which of them it refers to.

`tools/data/build_clevr.py` makes the files from those of CLEVR-Ref+. The training was not published in detail:
this config has that of the first stage of CLEVR, whose checkpoint may be `load_from`.
"""
_base_ = './mdetr_r18_clevr_medium.py'

model = dict(bbox_head=dict(predict_final=True))
train_dataloader = dict(dataset=dict(ann_file='refexps/train.json'))
val_dataloader = dict(dataset=dict(ann_file='refexps/val.json'))
test_dataloader = val_dataloader
val_evaluator = dict(_delete_=True, type='ReferringMetric', unique_only=True)
test_evaluator = val_evaluator
