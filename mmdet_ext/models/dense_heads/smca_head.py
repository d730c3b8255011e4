"""SMCA-DETR's head: boxes relative to the centres of the decoder (https://arxiv.org/abs/2101.07448, section 3.2)."""
from typing import Any

import torch
import torch.nn as nn
from mmdet.models.dense_heads import DETRHead
from mmdet.models.losses import FocalLoss, QualityFocalLoss
from mmdet.models.task_modules.assigners import HungarianAssigner
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from mmdet.utils import InstanceList
from mmengine.model import bias_init_with_prob
from mmengine.structures import InstanceData
from torch import Tensor

from ...transfers import pack_to_device
from ..losses import SigmoidFocalLoss
from ..losses.layer_losses import EPS, average_factors, split_by_layer, layer_sums, matched_losses
from ..task_modules.layer_matching import LayerMatching, match_layers
from ..task_modules.objects import Objects, gather_objects


@MODELS.register_module()
class SMCAHead(DETRHead):
    """mmdet's `DETRHead`, but the logits of a box's centre are the output of the MLP plus the query's reference point.

    With focal loss, as published, the classifier begins at a probability of 0.01, and predictions are the
    `test_cfg.max_per_img` best pairs of query and class, without NMS; boxes may reach beyond the image. With DETR's
    softmax loss, predictions are made as in DETR.

    Args:
        num_classes: Number of classes.
        loss_cls: As for `DETRHead`; for `FocalLoss` a `SigmoidFocalLoss` is built.
        kwargs: As for `DETRHead`.
    """

    def __init__(self, num_classes: int, *, loss_cls: dict, **kwargs: Any) -> None:
        loss_cls = dict(loss_cls)
        kind = loss_cls['type']
        if (MODELS.get(kind) if isinstance(kind, str) else kind) is FocalLoss:
            loss_cls['type'] = SigmoidFocalLoss
        background = loss_cls.pop('bg_cls_weight', None)
        if background is not None:  # DETRHead does this for itself, but for no subclass
            weight = loss_cls.get('class_weight', 1.0)
            loss_cls['class_weight'] = [weight] * num_classes + [background]
        super().__init__(num_classes, loss_cls=loss_cls, **kwargs)
        self.bg_cls_weight = background or 0

    def init_weights(self) -> None:
        super().init_weights()
        if self.loss_cls.use_sigmoid:
            nn.init.constant_(self.fc_cls.bias, bias_init_with_prob(0.01))

    def forward(self, hidden_states: Tensor, reference_logits: Tensor) -> tuple[Tensor, Tensor]:
        """
        Args:
            hidden_states: (layers, B, Q, C).
            reference_logits: (B, Q, 2), x and y.

        Returns:
            (layers, B, Q, classes) logits; (layers, B, Q, 4) boxes cx, cy, w, h relative to the image. Both in
            float32.
        """
        boxes = self.fc_reg(self.activate(self.reg_ffn(hidden_states))).float()
        zeros = torch.zeros_like(reference_logits)
        boxes = (boxes + torch.cat([reference_logits, zeros], dim=-1)).sigmoid()
        return self.fc_cls(hidden_states).float(), boxes

    def loss(self, hidden_states: Tensor, reference_logits: Tensor,
             batch_data_samples: SampleList) -> dict[str, Tensor]:
        """Losses of every layer."""
        return self._loss(self(hidden_states, reference_logits), batch_data_samples)

    def predict(self, hidden_states: Tensor, reference_logits: Tensor, batch_data_samples: SampleList,
                rescale: bool = True) -> InstanceList:
        """Detections of the last layer, the only one that the heads run on."""
        metas = [sample.metainfo for sample in batch_data_samples]
        return self.predict_by_feat(*self(hidden_states[-1:], reference_logits), batch_img_metas=metas, rescale=rescale)

    def loss_and_predict(self, hidden_states: Tensor, reference_logits: Tensor,
                         batch_data_samples: SampleList) -> tuple[dict[str, Tensor], InstanceList]:
        outs = self(hidden_states, reference_logits)
        metas = [sample.metainfo for sample in batch_data_samples]
        return self._loss(outs, batch_data_samples), self.predict_by_feat(*outs, batch_img_metas=metas)

    def _loss(self, outs: tuple[Tensor, Tensor], samples: SampleList) -> dict[str, Tensor]:
        return self.loss_by_feat(*outs, [sample.gt_instances for sample in samples],
                                 [sample.metainfo for sample in samples])

    def loss_by_feat(self, all_layers_cls_scores: Tensor, all_layers_bbox_preds: Tensor,
                     batch_gt_instances: InstanceList, batch_img_metas: list[dict],
                     batch_gt_instances_ignore: None = None) -> dict[str, Tensor]:
        """As DETRHead's, but for all layers at once. With an assigner other than mmdet's Hungarian one, DETRHead's own
        method is used.

        Args:
            all_layers_cls_scores: (layers, B, Q, classes) logits.
            all_layers_bbox_preds: (layers, B, Q, 4), cx, cy, w, h relative to the image.
            batch_gt_instances: Truth in pixels.
            batch_img_metas: With `img_shape`.
            batch_gt_instances_ignore: None.
        """
        scores, boxes = all_layers_cls_scores, all_layers_bbox_preds
        if type(self.assigner).assign is not HungarianAssigner.assign or isinstance(self.loss_cls, QualityFocalLoss):
            return super().loss_by_feat(scores, boxes, batch_gt_instances, batch_img_metas, batch_gt_instances_ignore)
        objects = gather_objects(batch_gt_instances, batch_img_metas)
        matched = match_layers(self.assigner, scores, boxes, objects)
        num_matched = matched.flat_query.shape[1]
        num_missed = scores.shape[1] * scores.shape[2] - num_matched
        cls_count = num_matched + num_missed * self.bg_cls_weight
        means = average_factors([num_matched, cls_count], scores.device)
        if not self.sync_cls_avg_factor:
            means[1] = max(cls_count, 1)
        predicted, truth = boxes.flatten(0, 2)[matched.flat_query], objects.boxes_cxcywh[matched.flat_object]
        sizes = objects.sizes[matched.flat_object]
        loss_cls = self.loss_cls(scores.flatten(0, 2), self._class_targets(scores, objects, matched),
                                 reduction_override='none')
        return split_by_layer(dict(
            loss_cls=layer_sums(loss_cls, len(scores)) / (means[1] + EPS),
            loss_bbox=matched_losses(self.loss_bbox, predicted, truth, means[0]),
            loss_iou=matched_losses(self.loss_iou, bbox_cxcywh_to_xyxy(predicted) * sizes,
                                    bbox_cxcywh_to_xyxy(truth) * sizes, means[0])))

    def _class_targets(self, scores: Tensor, objects: Objects, matched: LayerMatching) -> Tensor:
        """The class targets of the queries of all layers, flattened: with sigmoid one-hot rows, zeros for queries
        without object; else labels."""
        labels, queries = objects.labels[matched.flat_object], scores[..., 0].numel()
        if self.loss_cls.use_sigmoid:
            positive = matched.flat_query * self.cls_out_channels + labels
            targets = scores.new_zeros(queries * self.cls_out_channels).index_fill_(0, positive.flatten(), 1)
            return targets.view(queries, -1)
        targets = labels.new_full((queries, ), self.num_classes)
        return targets.index_copy_(0, matched.flat_query.flatten(), labels.flatten())

    def predict_by_feat(self, layer_cls_scores: Tensor, layer_bbox_preds: Tensor, batch_img_metas: list[dict],
                        rescale: bool = True) -> InstanceList:
        """As `predict`, from what `forward` gives."""
        if not self.loss_cls.use_sigmoid:
            return super().predict_by_feat(layer_cls_scores, layer_bbox_preds, batch_img_metas, rescale)
        scores = layer_cls_scores[-1].sigmoid().flatten(1)  # (B, Q * classes)
        limit = self.test_cfg.get('max_per_img', layer_cls_scores.shape[2])
        scores, pairs = scores.topk(min(limit, scores.shape[1]), dim=1)
        sizes = torch.tensor([meta['img_shape'][1::-1] * 2 for meta in batch_img_metas])
        scales = torch.tensor([tuple(meta['scale_factor']) * 2 if rescale else (1., ) * 4 for meta in batch_img_metas])
        sizes, scales = pack_to_device([sizes, scales], scores.device)
        queries = (pairs // self.num_classes).unsqueeze(-1).expand(-1, -1, 4)
        boxes = bbox_cxcywh_to_xyxy(layer_bbox_preds[-1].gather(1, queries)) * sizes[:, None] / scales[:, None]
        return [InstanceData(bboxes=bboxes, scores=values, labels=labels)
                for bboxes, values, labels in zip(boxes, scores, pairs % self.num_classes)]
