_base_ = '../yolov9e_coco.py'

# The auxiliary branch is a whole second neck (PAN).
model = dict(
    aux_head=dict(
        branch=dict(_delete_=True, type='IdentityBranch', in_indices=(3, 4, 5)), neck=dict(type='GELANPAN', arch='e')))
