_base_ = '../yolov9c_coco.py'

# The second GELAN is fused with the maps of the neck in place of the backbone's.
model = dict(aux_head=dict(source='neck', branch=dict(in_channels=(256, 512, 512))))
