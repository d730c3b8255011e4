_base_ = '../yolov9e_coco.py'

# Two auxiliary heads: a second top-down neck on the backbone, and a second GELAN fused with the neck's maps.
fpn = _base_.model.aux_head
branch = dict(type='ReversibleBranch', arch='e', in_channels=(256, 512, 512))
head = dict(fpn.head, in_channels=(512, 1024, 1024))
model = dict(aux_head=[fpn, dict(fpn, source='neck', branch=branch, head=head)])
