_base_ = './mdetr_r18_shapes.py'

# Without the contrastive alignment of boxes and tokens: what `mdetr_r18_shapes.py` is compared with.
model = dict(bbox_head=dict(loss_align=None))
