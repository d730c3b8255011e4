"""Configs that build the same classes, by one of them: what runs a model of each kind need not run them all."""
from mmengine.config import Config

REPRESENTATIVES = (
    'gelan/gelant_coco', 'gelan/gelane_coco', 'yolov9/yolov9t_shapes', 'yolov9/yolov9m_coco',
    'yolov9/yolov9e_coco', 'yolo_rd/yolov9t_rd_shapes', 'yolo_rd/yolov9m_rd_coco', 'yolo_rd/yolov9e_rd_coco',
    'smca/detr_r18_shapes', 'smca/smca_r18_shapes', 'smca/smca_r18_coco128', 'smca/smca_ms_r50_50e_pooled_coco',
    'smca/smca_ms_conv_r50_50e_coco', 'mdetr/mdetr_r18_shapes', 'mdetr/mdetr_r18_shapes_qa',
    'mdetr/mdetr_r18_shapes_seg', 'mdetr/mdetr_r18_shapes_unaligned', 'mdetr/mdetr_r18_coco128',
    'mdetr/mdetr_r18_coco128_prompts', 'mdetr/mdetr_r18_clevr', 'mdetr/mdetr_r101_gqa',
    'mdetr/mdetr_r101_phrasecut', 'mdetr/mdetr_r101_phrasecut_masks', 'mdetr/mdetr_effb3_pretrain',
    'mdetr/mdetr_effb5_gqa',
    'text_yolov9/text_yolov9t_coco', 'text_yolov9/text_yolov9t_rd_clip_coco', 'text_yolov9/text_yolov9s_grounding',
    'text_yolov9/text_yolov9t_shapes', 'text_yolov9/text_yolov9t_shapes_pairs')


def types_in(node: object) -> set[str]:
    """All values of `type`, `*_type` and `constructor` in a config."""
    if isinstance(node, dict):
        named = {value for key, value in node.items()
                 if isinstance(value, str) and key.endswith(('type', 'constructor'))}
        return named.union(*map(types_in, node.values()))
    return set().union(*map(types_in, node)) if isinstance(node, (list, tuple)) else set()


def kind_of(cfg: Config) -> tuple:
    """What configs share whose models are of the same classes: types, the form of the trunk, and a dictionary."""
    backbone = cfg.model.backbone
    return frozenset(types_in(cfg.model.to_dict()) - {'Pretrained'}), backbone.get('arch') == 'e', 'rd' in backbone
