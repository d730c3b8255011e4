_base_ = '../yolov9t_coco.py'

# Plain deep supervision (PFH): the auxiliary head reads the backbone's own maps.
model = dict(aux_head=dict(branch=dict(_delete_=True, type='IdentityBranch')))
