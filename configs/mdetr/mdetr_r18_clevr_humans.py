"""MDETR on CLEVR-Humans: questions in people's own words, without boxes. `load_from` should be a model of CLEVR."""
_base_ = './mdetr_r18_clevr_medium.py'

model = dict(answer_head=dict(type='ClevrAnswerHead'), detection=False)
train_dataloader = dict(dataset=dict(ann_file='CLEVR-Humans-train.json'))
val_dataloader = dict(dataset=dict(ann_file='CLEVR-Humans-val.json'))
test_dataloader = val_dataloader
val_evaluator = dict(_delete_=True, type='ClevrMetric')
test_evaluator = val_evaluator

train_cfg = dict(max_epochs=60)
default_hooks = dict(lr_schedule=dict(lr_drop=40))
find_unused_parameters = True  # in a distributed run: the layers for boxes get no gradient
