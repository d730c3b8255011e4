"""The model of `mdetr_r18_shapes.py` evaluated on referring expressions."""
_base_ = './mdetr_r18_shapes.py'

data_root = 'data/shapes_text/'
val_dataloader = dict(dataset=dict(ann_file='annotations/refexp_val.json'))
test_dataloader = dict(dataset=dict(ann_file='annotations/refexp_test.json'))
val_evaluator = dict(_delete_=True, type='ReferringMetric', ann_file=data_root + 'annotations/refexp_val.json')
test_evaluator = dict(_delete_=True, type='ReferringMetric', ann_file=data_root + 'annotations/refexp_test.json')
