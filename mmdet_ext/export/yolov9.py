"""YOLOv9 as one graph: the folded network, decoding, and NMS with the rules of `batch_detections`."""
import torch.nn as nn
from mmengine.config import Config
from torch import Tensor

from ..deployment import deploy
from ..models.dense_heads import YOLOv9Head
from ..models.detectors import PGIDetector
from .graph import DetectorGraph, GraphOptions
from .letterbox import use_image_size
from .nms import Rules, detections, rules_of


class YOLOv9Graph(DetectorGraph):
    """A `PGIDetector` with a `YOLOv9Head`, with or without a retriever dictionary.

    Outputs for N points, C classes and at most K detections of an image:

    - with NMS `num_dets` (B,) int64, `boxes` (B, K, 4), `scores` (B, K) in falling order and `labels` (B, K) int64;
      after the first `num_dets` rows of an image boxes and scores are 0 and labels -1;
    - without NMS `boxes` (B, N, 4) and `scores` (B, N, C);
    - without decoding for each stride S `class_S` (B, C, H / S, W / S), logits, and `box_S` (B, 4 * bins, H / S, W / S)
      (see `YOLOv9Head.forward`).
    """
    system = 'yolov9'
    detectors = 'PGIDetector with YOLOv9Head (YOLOv9, GELAN, YOLO-RD)'

    @classmethod
    def accepts(cls, model: nn.Module) -> bool:
        return isinstance(model, PGIDetector) and isinstance(model.bbox_head, YOLOv9Head)

    @classmethod
    def adapt(cls, cfg: Config, options: GraphOptions) -> Config:
        cfg = use_image_size(cfg, options.image_size, options.dynamic_size)
        given = dict(score_thr=options.score_thr, max_per_img=options.max_per_img)
        settings = dict(cfg.model.get('test_cfg') or {}) | {key: value for key, value in given.items()
                                                            if value is not None}
        if options.iou_thr is not None:
            settings['nms'] = dict(settings.get('nms') or {}, iou_threshold=options.iou_thr)
        rules_of(settings)
        cfg.model.test_cfg = settings
        return cfg

    @classmethod
    def from_model(cls, model: nn.Module, cfg: Config, options: GraphOptions) -> 'YOLOv9Graph':
        rules = rules_of(cfg.model.test_cfg) if options.nms and options.decode else None
        return cls(model if model.deployed else deploy(model), decode=options.decode, rules=rules)

    def __init__(self, model: PGIDetector, *, decode: bool = True, rules: Rules | None = None) -> None:
        super().__init__()
        self.model = model.eval()
        self.decode = decode
        self.rules = rules
        strides = model.bbox_head.strides
        if not decode:
            self.output_names = tuple(f'{kind}_{stride}' for kind in ('class', 'box') for stride in strides)
        else:
            self.output_names = ('boxes', 'scores') if rules is None else ('num_dets', 'boxes', 'scores', 'labels')

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        head = self.model.bbox_head
        maps = head(self.model.extract_feat(images))
        if not self.decode:
            return (*maps[0], *maps[1])
        predictions = head.predictions(*maps)
        boxes, scores = predictions.boxes(), predictions.class_logits.sigmoid()  # (B, 4, N) and (B, C, N)
        if self.rules is None:
            return boxes.transpose(1, 2), scores.transpose(1, 2)
        return detections(boxes.transpose(1, 2), scores, self.rules)

    def extra_metadata(self) -> dict:
        return dict(test_cfg=dict(self.model.bbox_head.test_cfg or {}), nms=self.rules is not None)
