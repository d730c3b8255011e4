"""The model of `mdetr_r18_shapes.py` evaluated on referring expressions."""
_base_ = './mdetr_r18_shapes.py'

val_dataloader = dict(dataset=dict(ann_file='annotations/refexp_val.json'))
test_dataloader = dict(dataset=dict(ann_file='annotations/refexp_test.json'))
val_evaluator = dict(_delete_=True, type='ReferringMetric')
test_evaluator = val_evaluator
