"""The EfficientNet of MDETR, trained except for its norms: `backbone=dict(arch=..., **_base_.efficientnet)`."""
efficientnet = dict(
    _delete_=True,
    type='EfficientNet',
    out_indices=(5, ),
    norm_cfg=dict(type='BN', eps=1e-5, requires_grad=False),  # as published, although the ImageNet weights use 1e-3
    norm_eval=True)
