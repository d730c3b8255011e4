_base_ = '../yolov9c_coco.py'

# Two auxiliary heads: a second top-down neck on the backbone, and a second GELAN fused with the neck's maps.
icn = _base_.model.aux_head
head = dict(icn.head, in_channels=(256, 512, 512))
model = dict(
    aux_head=[
        dict(icn, branch=dict(type='PyramidBranch', arch='c'), head=head),
        dict(icn, source='neck', branch=dict(icn.branch, in_channels=(256, 512, 512)))
    ])
