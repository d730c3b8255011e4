"""MDETR on a tenth of LVIS, every class a prompt of its own. `load_from` should be a pre-trained model.

`tools/data/build_lvis_prompts.py` makes the training file; evaluation asks each image for the names of all classes. How
long to train on other parts of LVIS was not published.
"""
_base_ = '../_base_/mdetr_model.py'

data_root = 'data/mdetr/'
model = dict(type='PromptedMDETR', test_cfg=dict(chunk=32))
# only evaluation asks for classes
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='FloorResize', scales=[(800, 1333)]),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'text'))
]
train_dataloader = dict(
    dataset=dict(
        type='MDETRDataset',
        data_root=data_root,
        ann_file='OpenSource/finetune_lvis10_train.json',
        data_prefix=dict(img='coco/'),
        pipeline=_base_.train_pipeline))
val_dataloader = dict(
    dataset=dict(
        type='LVISV1Dataset',
        data_root=data_root,
        ann_file='lvis_v1_minival.json',
        data_prefix=dict(img='coco/'),
        test_mode=True,
        return_classes=True,
        pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='LVISFixedAPMetric')
test_evaluator = val_evaluator
visualizer = dict(type='LargeVisualizer')

train_cfg = dict(max_epochs=150, val_interval=10)
default_hooks = dict(lr_schedule=dict(lr_drop=120), ema=_base_.ema)
auto_scale_lr = dict(base_batch_size=128)
