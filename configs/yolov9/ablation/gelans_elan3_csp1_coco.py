_base_ = ['../../_base_/yolov9_model.py', '../../_base_/yolov9_500e_coco.py']

# GELAN-S with 3 stages per ELAN block and 1 bottleneck per stage; the block at stride 4 stays as it is.
arch = dict(base='s', elan_depth=(2, 3, 3, 3), csp_depth=(0, 1, 1, 1))
model = dict(backbone=dict(arch=arch), neck=dict(arch=arch), bbox_head=dict(in_channels=(128, 192, 256)))
