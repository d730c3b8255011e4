_base_ = '../yolov9t_coco.py'

# The auxiliary branch is a second GELAN (ICN) in place of a second top-down neck.
model = dict(aux_head=dict(branch=dict(_delete_=True, type='ReversibleBranch', arch='t')))
