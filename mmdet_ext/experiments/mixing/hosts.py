"""The detectors of the grid: MMDetection's own configs, and ours."""
from dataclasses import dataclass
from pathlib import Path

import mmdet
from mmengine.config import Config, ConfigDict

from ...config_files import config_file

# what mmdet's detectors of words need beside transformers 5, and without fairscale
WORDS = "model = dict(language_model=dict(type='BertLanguageModel'))"
WORDS_WITHOUT_CHECKPOINTS = "model = dict(language_model=dict(type='BertLanguageModel'), encoder=dict(num_cp=0))"


@dataclass(frozen=True)
class Host:
    """One detector.

    Args:
        title: Its name in the grid.
        config: Of MMDetection, or with `packaged` of this package, below `configs/`.
        group: Which table of the grid it is in.
        packaged: Whether the config is of this package.
        lines: What the config needs before a part is added.
    """
    title: str
    config: str
    group: str
    packaged: bool = False
    lines: str = ''

    @property
    def base(self) -> str:
        """The file for `_base_` in a config of this host; for `mmdet::...` mmengine reads all of mmdet's metafiles."""
        if self.packaged:
            return config_file(self.config)
        return str(Path(mmdet.__file__).parent / '.mim/configs' / self.config)

    def read(self, folder: Path, lines: str = '') -> ConfigDict:
        """The model of a config of this host with `lines` added, by files that are written into `folder`."""
        base = self.base
        if self.lines:
            base = str(_write(folder / 'host.py', self.base, self.lines))
        return Config.fromfile(_write(folder / 'part.py', base, lines)).model


def _write(path: Path, base: str, lines: str) -> Path:
    path.write_text(f"_base_ = {base!r}\ncustom_imports = dict(imports=['mmdet_ext'])\n{lines}\n", encoding='utf-8')
    return path


ONE_STAGE, TWO_STAGE, QUERIES, WORDED, OURS = 'one stage', 'two stages and masks', 'queries', 'asked by words', 'ours'
HOSTS = [
    Host('RetinaNet', 'retinanet/retinanet_r50_fpn_1x_coco.py', ONE_STAGE),
    Host('FCOS', 'fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py', ONE_STAGE),
    Host('ATSS', 'atss/atss_r50_fpn_1x_coco.py', ONE_STAGE),
    Host('GFL', 'gfl/gfl_r50_fpn_1x_coco.py', ONE_STAGE),
    Host('PAA', 'paa/paa_r50_fpn_1x_coco.py', ONE_STAGE),
    Host('VFNet', 'vfnet/vfnet_r50_fpn_1x_coco.py', ONE_STAGE),
    Host('RTMDet', 'rtmdet/rtmdet_tiny_8xb32-300e_coco.py', ONE_STAGE),
    Host('YOLOX', 'yolox/yolox_tiny_8xb8-300e_coco.py', ONE_STAGE),
    Host('Faster R-CNN', 'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py', TWO_STAGE),
    Host('Cascade R-CNN', 'cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py', TWO_STAGE),
    Host('Mask R-CNN', 'mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py', TWO_STAGE),
    Host('Mask R-CNN, Swin', 'swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py', TWO_STAGE),
    Host('RTMDet-Ins', 'rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py', TWO_STAGE),
    Host('DETR', 'detr/detr_r50_8xb2-150e_coco.py', QUERIES),
    Host('Conditional DETR', 'conditional_detr/conditional-detr_r50_8xb2-50e_coco.py', QUERIES),
    Host('DAB-DETR', 'dab_detr/dab-detr_r50_8xb2-50e_coco.py', QUERIES),
    Host('Deformable DETR', 'deformable_detr/deformable-detr_r50_16xb2-50e_coco.py', QUERIES),
    Host('DINO', 'dino/dino-4scale_r50_8xb2-12e_coco.py', QUERIES),
    Host('DDQ', 'ddq/ddq-detr-4scale_r50_8xb2-12e_coco.py', QUERIES),
    Host('Grounding DINO', 'grounding_dino/grounding_dino_r50_scratch_8xb2_1x_coco.py', WORDED,
         lines=WORDS_WITHOUT_CHECKPOINTS),
    Host('GLIP', 'glip/glip_atss_swin-t_a_fpn_dyhead_16xb2_ms-2x_funtune_coco.py', WORDED, lines=WORDS),
    Host('YOLOv9', 'yolov9/yolov9t_coco.py', OURS, packaged=True),
    Host('SMCA-DETR', 'smca/smca_r50_50e_coco.py', OURS, packaged=True),
    Host('SMCA-DETR, three maps', 'smca/smca_ms_r50_50e_coco.py', OURS, packaged=True),
    Host('MDETR', 'mdetr/mdetr_r18_coco128.py', OURS, packaged=True),
]
