"""YOLOv9-T asked by words on the class names of Shapes, which `tools/data/make_shapes.py` makes.

    python tools/data/make_shapes.py
    python tools/data/make_tokenizer.py --texts data/shapes/annotations/grounding_train.json --vocab-size 400 \
        --out data/text/shapes
"""
_base_ = '../yolov9/yolov9t_shapes.py'

head = dict(type='TextYOLOv9Head', embed_dims=64, in_channels=(64, 96, 128), class_channels=80)
model = dict(
    type='TextYOLOv9',
    text_encoder=dict(type='WordTextEncoder', name='data/text/shapes', embed_dims=64),
    bbox_head=dict(_delete_=True, **head),
    aux_head=dict(head=dict(_delete_=True, **head)))

load_train = [*_base_.load_train, dict(type='LoadTexts')]
train_pipeline = [*_base_.train_pipeline[:-1], dict(type='PackTextInputs')]
test_pipeline = [*_base_.test_pipeline[:-1], dict(type='PackTextInputs')]
train_dataloader = dict(dataset=dict(dataset=dict(return_classes=True, pipeline=load_train), pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(return_classes=True, pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(return_classes=True, pipeline=test_pipeline))
