"""MDETR on CLEVR, second stage: all questions, boxes and answers. `load_from` should be the first stage."""
_base_ = './mdetr_r18_clevr_medium.py'

model = dict(answer_head=dict(type='ClevrAnswerHead'))
train_dataloader = dict(dataset=dict(ann_file='full/train.json'))
val_dataloader = dict(dataset=dict(ann_file='full/val.json'))
test_dataloader = val_dataloader
val_evaluator = dict(_delete_=True, type='ClevrMetric')
test_evaluator = val_evaluator
