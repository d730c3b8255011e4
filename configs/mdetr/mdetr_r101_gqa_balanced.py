"""MDETR on the balanced questions of GQA, second stage: answers alone. `load_from` should be the first stage.

Its rates were not published: half of the first stage's are ours.
"""
_base_ = './mdetr_r101_gqa.py'

model = dict(detection=False)
train_dataloader = dict(
    sampler=dict(_delete_=True, type='DefaultSampler', shuffle=True),
    dataset=dict(ann_file='OpenSource/finetune_gqa_train_balanced.json'))
train_cfg = dict(max_epochs=10, val_interval=1)
optim_wrapper = dict(optimizer=dict(lr=7e-5))
default_hooks = dict(lr_schedule=dict(lr_drop=10))
find_unused_parameters = True  # in a distributed run: the layers for boxes get no gradient
