_base_ = '../yolov9t_shapes.py'

# The second GELAN is fused with the maps of the neck in place of the backbone's.
model = dict(
    aux_head=dict(source='neck', branch=dict(_delete_=True, type='ReversibleBranch', arch='t')))
