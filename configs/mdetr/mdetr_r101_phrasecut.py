"""MDETR on the phrases of PhraseCut, first stage: boxes. `load_from` should be a pre-trained model."""
_base_ = '../_base_/mdetr_model.py'

data_root = 'data/mdetr/'
model = dict(bbox_head=dict(loss_align=None))
phrases = dict(type='MDETRDataset', data_root=data_root, data_prefix=dict(img='phrasecut/images/'))
train_dataloader = dict(
    dataset=dict(ann_file='OpenSource/finetune_phrasecut_train.json', pipeline=_base_.train_pipeline, **phrases))
val_dataloader = dict(
    dataset=dict(
        ann_file='OpenSource/finetune_phrasecut_miniv.json', test_mode=True, pipeline=_base_.test_pipeline, **phrases))
test_dataloader = val_dataloader
val_evaluator = dict(type='AgnosticCocoMetric')
test_evaluator = val_evaluator

train_cfg = dict(max_epochs=10)
optim_wrapper = dict(
    optimizer=dict(lr=5e-5),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.2), text_encoder=dict(lr_mult=0.2))))
default_hooks = dict(lr_schedule=dict(lr_drop=11), ema=_base_.ema)
