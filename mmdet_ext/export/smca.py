"""SMCA-DETR (https://arxiv.org/abs/2101.07448) as one graph: network, box decoding and the head's choice of boxes."""
import copy

import torch
import torch.nn as nn
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from mmengine.config import Config
from torch import Tensor

from ..models.dense_heads import SMCAHead
from ..models.detectors import SMCADETR
from .graph import DetectorGraph, GraphOptions
from .sizes import map_padding, with_image_size


class SMCAGraph(DetectorGraph):
    """An `SMCADETR` with an `SMCAHead`, of one or several maps.

    Inputs are `images` and `sizes` (B, 2) int64, height and width of each image without padding. Outputs are boxes
    (B, K, 4), scores (B, K) and labels (B, K) int64 of the K best, by falling score, as the head's `predict` gives
    them: with focal loss of the pairs of query and class, with softmax of the queries.

    Args:
        model: The detector, of which the graph has its own copy in float32 on the CPU.
    """
    system = 'smca'
    detectors = 'SMCADETR with SMCAHead'
    dynamic_by_default = True
    input_names = ('images', 'sizes')
    output_names = ('boxes', 'scores', 'labels')

    def __init__(self, model: SMCADETR) -> None:
        super().__init__()
        self.model = plain_copy(model)
        self.max_per_img = model.bbox_head.test_cfg.get('max_per_img', model.num_queries)
        self.eval()

    @classmethod
    def accepts(cls, model: nn.Module) -> bool:
        return isinstance(model, SMCADETR) and isinstance(model.bbox_head, SMCAHead)

    @classmethod
    def adapt(cls, cfg: Config, options: GraphOptions) -> Config:
        check_thresholds(options)
        cfg = with_image_size(cfg, options)
        if options.max_per_img is not None:
            cfg.model.test_cfg = dict(cfg.model.get('test_cfg') or {}, max_per_img=options.max_per_img)
        return cfg

    @classmethod
    def from_model(cls, model: nn.Module, cfg: Config, options: GraphOptions) -> 'SMCAGraph':
        return cls(model)

    def example_inputs(self, batch: int, height: int, width: int) -> tuple[Tensor, ...]:
        return (*super().example_inputs(batch, height, width), torch.tensor([[height, width]]).repeat(batch, 1))

    def dynamic_axes(self, batch: bool, size: bool) -> dict[str, dict[int, str]]:
        return super().dynamic_axes(batch, size) | (dict(sizes={0: 'batch'}) if batch else {})

    def forward(self, images: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        feats = self.model.extract_feat(images)
        padding = map_padding(sizes, images, [tuple(feat.shape[2:]) for feat in feats], self.model.extra_maps)
        outputs = self.model.transform(feats, sizes.flip(1).float(), padding)
        logits, boxes = self.model.bbox_head(outputs['hidden_states'][-1:], outputs['reference_logits'])
        return self._best(logits[-1], bbox_cxcywh_to_xyxy(boxes[-1]) * sizes.flip(1).float().repeat(1, 2).unsqueeze(1),
                          sizes)

    def _best(self, logits: Tensor, boxes: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, Q, classes), (B, Q, 4) -> boxes, scores and labels of the K best."""
        head = self.model.bbox_head
        if head.loss_cls.use_sigmoid:
            classes = head.cls_out_channels
            limit = min(self.max_per_img, self.model.num_queries * classes)
            scores, pairs = logits.sigmoid().flatten(1).topk(limit, dim=1)
            queries, labels = pairs // classes, pairs % classes
        else:
            scores, labels = logits.softmax(dim=-1)[..., :-1].max(dim=-1)
            scores, queries = scores.topk(min(self.max_per_img, self.model.num_queries), dim=1)
            labels = labels.gather(1, queries)
            boxes = torch.minimum(boxes.clamp(min=0), sizes.flip(1).float().repeat(1, 2).unsqueeze(1))
        return boxes.gather(1, queries.unsqueeze(-1).expand(-1, -1, 4)), scores, labels


def plain_copy(model: nn.Module) -> nn.Module:
    """A copy of a detector in float32 on the CPU, in evaluation mode, with options of `NetworkOptions` switched off."""
    model = copy.deepcopy(model).cpu().float().eval()
    model.channels_last = model.cuda_graph = False
    model.compile_options = None
    return model.requires_grad_(False)


def check_thresholds(options: GraphOptions) -> None:
    """Raises ValueError for options that only YOLOv9 has."""
    for name in ('score_thr', 'iou_thr'):
        if getattr(options, name) is not None:
            raise ValueError(f'{name}: a detection transformer has none in its graph; it returns its best boxes, which '
                             f'are filtered by score after prediction; got {getattr(options, name)}')
    if not options.decode:
        raise ValueError('decode=False: the graph of a detection transformer always returns boxes and scores')
