"""YOLOv9-T asked by words on COCO: class names as texts, encoded once by CLIP's frozen text tower.

`tools/deploy.py --classes` makes a plain YOLOv9-T of any classes of it. With more class names than `num_texts`, as LVIS
has them, each image gets its own and others at random.
"""
_base_ = ['../_base_/yolov9_model.py', '../_base_/yolov9_500e_coco.py']

embed_dims = 512
head = dict(type='TextYOLOv9Head', embed_dims=embed_dims, in_channels=(64, 96, 128), class_channels=80)
model = dict(
    type='TextYOLOv9',
    backbone=dict(arch='t'),
    neck=dict(arch='t'),
    text_encoder=dict(
        type='OpenCLIPTextEncoder', name='ViT-B-32-quickgelu', pretrained='openai', frozen=True, cache='memory'),
    bbox_head=dict(_delete_=True, **head),
    aux_head=dict(type='PGIAuxHead', branch=dict(type='PyramidBranch', arch='t'), head=head))

load_train = [*_base_.load_train, dict(type='LoadTexts')]
pack = dict(type='PackTextInputs', num_texts=80)
train_pipeline = [_base_.mosaic, _base_.copy_paste, _base_.affine, _base_.mixup, *_base_.finish[:-1], pack]
test_pipeline = [*_base_.test_pipeline[:-1], dict(type='PackTextInputs')]
train_dataloader = dict(dataset=dict(dataset=dict(return_classes=True, pipeline=load_train), pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(return_classes=True, pipeline=test_pipeline))
test_dataloader = val_dataloader
