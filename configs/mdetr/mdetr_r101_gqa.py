"""MDETR on the questions of GQA, first stage: all questions, boxes too. `load_from` should be a pre-trained model.

An epoch is a 25th of the questions. `tools/data/build_gqa.py` makes the vocabulary; published checkpoints need the
published one.
"""
_base_ = '../_base_/mdetr_model.py'

data_root = 'data/mdetr/'
model = dict(
    bbox_head=dict(aux_loss=False, loss_align=None),
    answer_head=dict(
        type='GQAAnswerHead', vocabulary=data_root + 'OpenSource/gqa_answer2id_by_type.json', loss_weight=25.))

questions = dict(type='GQADataset', data_root=data_root, data_prefix=dict(img='gqa/images/'))
train_dataloader = dict(
    batch_size=4,
    sampler=dict(type='ChunkSampler', num_chunks=25),
    dataset=dict(ann_file='OpenSource/finetune_gqa_train_all.json', pipeline=_base_.train_pipeline, **questions))
val_dataloader = dict(
    dataset=dict(
        ann_file='OpenSource/finetune_gqa_val_balanced.json', test_mode=True, pipeline=_base_.test_pipeline,
        **questions))
test_dataloader = dict(
    dataset=dict(
        ann_file='OpenSource/finetune_gqa_testdev_balanced.json', test_mode=True, pipeline=_base_.test_pipeline,
        **questions))
val_evaluator = dict(type='GQAMetric')  # on the annotations of the data set
test_evaluator = dict(type='GQAMetric', dump_file='work_dirs/gqa_testdev_predictions.json')

train_cfg = dict(max_epochs=125, val_interval=5)
optim_wrapper = dict(
    optimizer=dict(lr=1.4e-4),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1), text_encoder=dict(lr_mult=0.5))))
default_hooks = dict(
    lr_schedule=dict(lr_drop=150),
    ema=_base_.ema,
    checkpoint=dict(save_best='gqa/typed_accuracy', max_keep_ckpts=3))
auto_scale_lr = dict(base_batch_size=128)
