_base_ = ['../../_base_/yolov9_model.py', '../../_base_/yolov9_500e_coco.py']

# GELAN-M with 2 stages per ELAN block and 3 bottlenecks per stage.
arch = dict(base='m', csp_depth=3)
model = dict(backbone=dict(arch=arch), neck=dict(arch=arch), bbox_head=dict(in_channels=(240, 360, 480)))
