_base_ = ['../../_base_/yolov9_model.py', '../../_base_/yolov9_500e_coco.py']

# GELAN-S with 2 stages per ELAN block and 2 bottlenecks per stage; the block at stride 4 stays as it is.
arch = dict(base='s', csp_depth=(0, 2, 2, 2))
model = dict(backbone=dict(arch=arch), neck=dict(arch=arch), bbox_head=dict(in_channels=(128, 192, 256)))
