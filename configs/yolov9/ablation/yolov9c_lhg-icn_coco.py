_base_ = '../yolov9c_coco.py'

# The second GELAN, with the main head's assignment in its head too (LHG-ICN).
model = dict(aux_head=dict(lead_guided=True))
