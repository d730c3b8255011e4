_base_ = '../yolov9t_shapes.py'

# Two auxiliary heads: a second top-down neck on the backbone, and a second GELAN fused with the neck's maps.
fpn = _base_.model.aux_head
icn = dict(fpn, source='neck', branch=dict(type='ReversibleBranch', arch='t'))
model = dict(aux_head=[fpn, icn])
