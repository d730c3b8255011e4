"""MDETR on the questions of Shapes, second stage: yes or no, how many, which colour, shape or size.

Half an hour on two cores, beginning with the model of `mdetr_r18_shapes.py`.
"""
_base_ = './mdetr_r18_shapes.py'

data_root = 'data/shapes_text/'
model = dict(
    answer_head=dict(
        type='ClevrAnswerHead',
        embed_dims=128,
        attributes=('small', 'large', 'red', 'orange', 'yellow', 'green', 'cyan', 'blue', 'purple', 'white', 'circle',
                    'square', 'triangle', 'star', 'cross', 'pentagon'),
        max_count=8,
        answer_loss_weight=5.))
train_dataloader = dict(
    batch_size=20,
    sampler=dict(group=5),  # most images have five questions
    dataset=dict(
        _delete_=True,
        type='ClevrDataset',
        data_root=data_root,
        ann_file='annotations/questions_train.json',
        data_prefix=dict(img='train/'),
        pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(type='ClevrDataset', ann_file='annotations/questions_val.json'))
test_dataloader = dict(dataset=dict(type='ClevrDataset', ann_file='annotations/questions_test.json'))
val_evaluator = dict(_delete_=True, type='ClevrMetric')
test_evaluator = val_evaluator

train_cfg = dict(max_epochs=5)
optim_wrapper = dict(optimizer=dict(lr=3e-4))
load_from = 'work_dirs/demo_mdetr/epoch_6.pth'
