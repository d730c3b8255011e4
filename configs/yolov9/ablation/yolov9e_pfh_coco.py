_base_ = '../yolov9e_coco.py'

# Plain deep supervision (PFH): the auxiliary head reads the backbone's own maps.
model = dict(
    aux_head=dict(
        branch=dict(_delete_=True, type='IdentityBranch', in_indices=(3, 4, 5)),
        head=dict(in_channels=(512, 1024, 1024))))
