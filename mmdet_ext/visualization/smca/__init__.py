"""Images of where an SMCA-DETR looks (https://arxiv.org/abs/2101.07448)."""
