_base_ = '../yolov9t_shapes.py'

# The second GELAN, with the main head's assignment in its head too (LHG-ICN).
model = dict(
    aux_head=dict(lead_guided=True, branch=dict(_delete_=True, type='ReversibleBranch', arch='t')))
