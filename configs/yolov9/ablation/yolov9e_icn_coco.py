_base_ = '../yolov9e_coco.py'

# The auxiliary branch is a second GELAN (ICN) in place of a second top-down neck.
model = dict(
    aux_head=dict(
        branch=dict(_delete_=True, type='ReversibleBranch', arch='e', in_indices=(3, 4, 5)),
        head=dict(in_channels=(512, 1024, 1024))))
