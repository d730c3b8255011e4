"""YOLOv9-T asked by words, whose coarsest map attends to the texts before the neck. It is never a plain YOLOv9."""
_base_ = './text_yolov9t_coco.py'

attention = dict(embed_dims=128, num_heads=8, dropout=0.)
ffn = dict(embed_dims=128, feedforward_channels=512, ffn_drop=0.)
model = dict(
    fusion=dict(in_channels=128, level=2, num_layers=1, layer_cfg=dict(self_attn_cfg=attention, ffn_cfg=ffn)))
