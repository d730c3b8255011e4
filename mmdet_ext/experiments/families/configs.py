"""Which configs of MMDetection are tried: of each family the cheapest, or those that use its operators."""
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmengine.utils import get_installed_path

NO_MODELS = {
    '_base_': 'parts of other configs',
    'common': 'data and schedules of other configs',
}
# Families of which the cheapest config alone would leave out an operator or a kind of model.
CHOSEN = {
    'bytetrack': ('bytetrack_yolox_x_8xb4-amp-80e_crowdhuman-mot17halftrain_test-mot17halfval', ),
    'carafe': ('faster-rcnn_r50_fpn-carafe_1x_coco', 'mask-rcnn_r50_fpn-carafe_1x_coco'),
    'cascade_rcnn': ('cascade-mask-rcnn_r50_fpn_1x_coco', ),
    'cascade_rpn': ('cascade-rpn_r50-caffe_fpn_1x_coco', 'cascade-rpn_fast-rcnn_r50-caffe_fpn_1x_coco',
                    'cascade-rpn_faster-rcnn_r50-caffe_fpn_1x_coco'),
    'centernet': ('centernet_r18_8xb16-crop512-140e_coco', 'centernet_r18-dcnv2_8xb16-crop512-140e_coco',
                  'centernet-update_r18_fpn_8xb8-amp-lsj-200e_coco'),
    'crowddet': ('crowddet-rcnn_r50_fpn_8xb2-30e_crowdhuman', 'crowddet-rcnn_refine_r50_fpn_8xb2-30e_crowdhuman'),
    'dcn': ('faster-rcnn_r50-dconv-c3-c5_fpn_1x_coco', 'faster-rcnn_r50_fpn_dpool_1x_coco'),
    'dcnv2': ('faster-rcnn_r50-mdconv-group4-c3-c5_fpn_1x_coco', 'faster-rcnn_r50_fpn_mdpool_1x_coco'),
    'deformable_detr': ('deformable-detr_r50_16xb2-50e_coco', 'deformable-detr-refine-twostage_r50_16xb2-50e_coco'),
    'detectors': ('cascade-rcnn_r50-rfp_1x_coco', 'cascade-rcnn_r50-sac_1x_coco', 'detectors_htc-r50_1x_coco'),
    'empirical_attention': ('faster-rcnn_r50-attn1111_fpn_1x_coco', 'faster-rcnn_r50-attn0010-dcn_fpn_1x_coco'),
    'faster_rcnn': ('faster-rcnn_r50_fpn_1x_coco', 'faster-rcnn_r50-caffe_c4-1x_coco',
                    'faster-rcnn_r50-caffe-dc5_1x_coco', 'faster-rcnn_r50_fpn_soft-nms_1x_coco'),
    'fcos': ('fcos_r50-caffe_fpn_gn-head_1x_coco',
             'fcos_r50-dcn-caffe_fpn_gn-head-center-normbbox-centeronreg-giou_1x_coco'),
    'foveabox': ('fovea_r50_fpn_4xb4-1x_coco', 'fovea_r50_fpn_gn-head-align_4xb4-2x_coco'),
    'fpg': ('faster-rcnn_r50_fpg_crop640-50e_coco', ),
    'gcnet': ('mask-rcnn_r50-syncbn-gcb-r16-c3-c5_fpn_1x_coco', ),
    'glip': ('glip_atss_swin-t_a_fpn_dyhead_16xb2_ms-2x_funtune_coco',
             'glip_atss_swin-t_b_fpn_dyhead_16xb2_ms-2x_funtune_coco'),
    'groie': ('faste-rcnn_r50_fpn_groie_1x_coco', 'grid-rcnn_r50_fpn_gn-head-groie_1x_coco'),
    'grounding_dino': ('grounding_dino_r50_scratch_8xb2_1x_coco', 'grounding_dino_swin-t_finetune_16xb2_1x_coco'),
    'guided_anchoring': ('ga-rpn_r50_fpn_1x_coco', 'ga-retinanet_r50_fpn_1x_coco', 'ga-faster-rcnn_r50_fpn_1x_coco',
                         'ga-fast-rcnn_r50-caffe_fpn_1x_coco'),
    'hrnet': ('faster-rcnn_hrnetv2p-w18-1x_coco', ),
    'htc': ('htc-without-semantic_r50_fpn_1x_coco', 'htc_r50_fpn_1x_coco'),
    'legacy_1.x': ('mask-rcnn_r50_fpn_1x_coco_v1', 'ssd300_coco_v1'),
    'libra_rcnn': ('libra-faster-rcnn_r50_fpn_1x_coco', 'libra-retinanet_r50_fpn_1x_coco'),
    'mask2former': ('mask2former_r50_8xb2-lsj-50e_coco', 'mask2former_r50_8xb2-lsj-50e_coco-panoptic'),
    'nas_fcos': ('nas-fcos_r50-caffe_fpn_fcoshead-gn-head_4xb4-1x_coco',
                 'nas-fcos_r50-caffe_fpn_nashead-gn-head_4xb4-1x_coco'),
    'nas_fpn': ('retinanet_r50_nasfpn_crop640-50e_coco', ),
    'objects365': ('faster-rcnn_r50_fpn_16xb4-1x_objects365v1', ),
    'openimages': ('faster-rcnn_r50_fpn_32xb2-1x_openimages', ),
    'pisa': ('faster-rcnn_r50_fpn_pisa_1x_coco', 'retinanet-r50_fpn_pisa_1x_coco'),
    'pvt': ('retinanet_pvt-t_fpn_1x_coco', 'retinanet_pvtv2-b0_fpn_1x_coco'),
    'qdtrack': ('qdtrack_faster-rcnn_r50_fpn_8xb2-4e_mot17halftrain_test-mot17halfval', ),
    'regnet': ('retinanet_regnetx-1.6GF_fpn_1x_coco', 'mask-rcnn_regnetx-3.2GF-mdconv-c3-c5_fpn_1x_coco'),
    'reppoints': ('reppoints-moment_r50_fpn-gn_head-gn_1x_coco', 'reppoints-partial-minmax_r50_fpn-gn_head-gn_1x_coco',
                  'reppoints-bbox_r50_fpn-gn_head-gn-grid_1x_coco'),
    'res2net': ('faster-rcnn_res2net-101_fpn_2x_coco', ),
    'rtmdet': ('rtmdet_tiny_8xb32-300e_coco', 'rtmdet-ins_tiny_8xb32-300e_coco'),
    'sabl': ('sabl-retinanet_r50_fpn_1x_coco', 'sabl-cascade-rcnn_r50_fpn_1x_coco'),
    'seesaw_loss': ('mask-rcnn_r50_fpn_seesaw-loss-normed-mask_random-ms-2x_lvis-v1', ),
    'solo': ('solo_r18_fpn_8xb8-lsj-200e_coco', 'decoupled-solo-light_r50_fpn_3x_coco'),
    'solov2': ('solov2-light_r18_fpn_ms-3x_coco', 'solov2-light_r50-dcn_fpn_ms-3x_coco'),
    'sort': ('faster-rcnn_r50_fpn_8xb2-4e_mot17halftrain_test-mot17halfval',
             'sort_faster-rcnn_r50_fpn_8xb2-4e_mot17halftrain_test-mot17halfval'),
    'ssd': ('ssd300_coco', 'ssdlite_mobilenetv2-scratch_8xb24-600e_coco'),
    'strongsort': ('strongsort_yolox_x_8xb4-80e_crowdhuman-mot17halftrain_test-mot17halfval', ),
    'swin': ('mask-rcnn_swin-t-p4-w7_fpn_1x_coco', 'retinanet_swin-t-p4-w7_fpn_1x_coco'),
    'v3det': ('fcos_r50_fpn_8x4_sample1e-3_mstrain_v3det_2x', 'dino-4scale_r50_8xb2_sample1e-3_v3det_36e'),
    'vfnet': ('vfnet_r50-mdconv-c3-c5_fpn_ms-2x_coco', ),
}
# What a name says about the size of the backbone, as the depth of a ResNet that costs about as much; the first counts.
SIZES = ((r'tiny|nano|mobilenet|light', 10), (r'[rsx](\d+)', None), (r'swin-?[bl]|_[lx]_', 150), (r'swin-?s|_m_', 100),
         ('', 50))


def config_folder() -> Path:
    """The folder of MMDetection's configs."""
    return Path(get_installed_path('mmdet'), '.mim/configs')


def all_configs() -> list[str]:
    """The configs to try, as FAMILY/NAME.py."""
    folder = config_folder()
    families = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name not in NO_MODELS)
    return [f'{family}/{name}.py' for family in families
            for name in CHOSEN.get(family) or cheapest([path.stem for path in (folder / family).glob('*.py')])]


def cheapest(names: Sequence[str]) -> list[str]:
    """The name of the config with the smallest backbone, and of those the shortest; none of test-time augmentation."""
    return sorted((name for name in names if not name.endswith('_tta')), key=lambda name: (_size(name), len(name), name)
                  )[:1]


def _size(name: str) -> int:
    for pattern, size in SIZES:
        if match := re.search(pattern, name):
            return int(match[1]) if size is None else size
    raise AssertionError('the last pattern is in every name')


def chosen(words: Sequence[str]) -> list[str]:
    """The configs of the families of these names, or with one of the words in their own name; all without words.

    Raises:
        ValueError: If a word is neither a family nor in a name.
    """
    configs = all_configs()
    named: Mapping[str, list[str]] = {
        word: [config for config in configs if config.split('/')[0] == word]
        or [config for config in configs if word in config] for word in words}
    for word, of_word in named.items():
        if not of_word:
            families = ', '.join(dict.fromkeys(config.split('/')[0] for config in configs))
            raise ValueError(f'--only takes families or words of their configs, got {word!r}; families are {families}')
    return [config for config in configs if not words or any(config in of_word for of_word in named.values())]
