_base_ = ['../../_base_/yolov9_model.py', '../../_base_/yolov9_500e_coco.py']

# GELAN-S whose stages are one CSP block with one bottleneck and a 3x3 convolution; those at stride 4 stay plain.
arch = dict(base='s', csp_depth=(0, 1, 1, 1))
model = dict(backbone=dict(arch=arch), neck=dict(arch=arch), bbox_head=dict(in_channels=(128, 192, 256)))
