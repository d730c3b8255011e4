"""MDETR's head: boxes, the tokens that name each box, and alignment (https://arxiv.org/abs/2104.12763, section 2.2)."""
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn as nn
import torch.nn.functional as F
from mmdet.models.layers import MLP
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.structures import DetDataSample, SampleList
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor

from ...text.phrases import PHRASE_FRACTION, grounded_phrases
from ...text.positive_map import NUM_COLUMNS, positive_map
from ...transfers import pack_to_device, to_device
from ..losses.layer_losses import average_factors, split_by_layer, matched_losses
from ..task_modules.layer_matching import LayerMatching, Matched, match_layers
from ..task_modules.objects import Objects, gather_objects


class GroundingOutputs(NamedTuple):
    """The outputs of the head for all queries.

    logits: (layers, B, Q, 256), one per token position; the last one stands for "no object".
    boxes: (layers, B, Q, 4), cx, cy, w, h relative to the image.
    queries: (layers, B, Q, 64), of unit length, or None without alignment.
    tokens: (B, L, 64), of unit length, or None.
    isfinal: (layers, B, Q) logits, or None.
    """
    logits: Tensor
    boxes: Tensor
    queries: Tensor | None
    tokens: Tensor | None
    isfinal: Tensor | None


@MODELS.register_module()
class MDETRHead(BaseModule):
    """A classifier over token positions and an MLP for boxes, which all decoder layers share, and projections for
    alignment.

    Args:
        embed_dims: C.
        loss_cls: Config of a `SoftTokenLoss`.
        loss_bbox: Config of an L1 loss.
        loss_iou: Config of a GIoU loss.
        loss_align: Config of a `ContrastiveAlignLoss`; None for no alignment.
        align_dims: Width of the alignment.
        predict_final: Whether each query predicts if it is the object that the expression refers to (CLEVR-Ref+).
            Instances then need `isfinal`.
        normalised_maps: Whether the targets of an object's tokens sum to 1, as in the paper, or are 1 each, as in the
            published code.
        aux_loss: Whether all layers of the decoder have losses, or only the last one.
        train_cfg: With `assigner`, a `HungarianAssigner`.
        test_cfg: With `phrase_fraction` (0.5): a token belongs to a box's phrase if its probability is at least this
            share of the most probable token's (see `grounded_phrases`).
        init_cfg: As in mmengine.
    """

    def __init__(self, embed_dims: int = 256, *, loss_cls: dict | None = None, loss_bbox: dict | None = None,
                 loss_iou: dict | None = None, loss_align: dict | None = None, align_dims: int = 64,
                 predict_final: bool = False, normalised_maps: bool = False, aux_loss: bool = True,
                 train_cfg: dict | None = None, test_cfg: dict | None = None, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.aux_loss = aux_loss
        self.normalised_maps = normalised_maps
        self.fc_cls = nn.Linear(embed_dims, NUM_COLUMNS)
        self.reg_mlp = MLP(embed_dims, embed_dims, 4, 3)
        self.align_query = nn.Linear(embed_dims, align_dims) if loss_align else None
        self.align_token = nn.Linear(embed_dims, align_dims) if loss_align else None
        self.fc_final = nn.Linear(embed_dims, 1) if predict_final else None
        self.loss_cls = MODELS.build(loss_cls or dict(type='SoftTokenLoss'))
        self.loss_bbox = MODELS.build(loss_bbox or dict(type='L1Loss', loss_weight=5.0))
        self.loss_iou = MODELS.build(loss_iou or dict(type='GIoULoss', loss_weight=2.0))
        self.loss_align = MODELS.build(loss_align) if loss_align else None
        self.assigner = TASK_UTILS.build(train_cfg['assigner']) if train_cfg else None
        self.phrase_fraction = (test_cfg or {}).get('phrase_fraction', PHRASE_FRACTION)

    def forward(self, hidden_states: Tensor, text_memory: Tensor, references: Tensor | None = None) -> GroundingOutputs:
        """
        Args:
            hidden_states: (layers, B, Q, C).
            text_memory: (B, L, C), the encoder's output at the tokens of the text.
            references: (Q, 2), logits of x and y, which are added to the predicted logits of the box centres; None for
                zeros.
        """
        queries = tokens = None
        if self.align_query is not None:
            queries = F.normalize(self.align_query(hidden_states).float(), dim=-1)
            tokens = F.normalize(self.align_token(text_memory).float(), dim=-1)
        isfinal = None if self.fc_final is None else self.fc_final(hidden_states).squeeze(-1).float()
        boxes = self.reg_mlp(hidden_states).float()
        if references is not None:
            boxes = boxes + F.pad(references.float(), (0, 2))
        return GroundingOutputs(self.fc_cls(hidden_states).float(), boxes.sigmoid(), queries, tokens, isfinal)

    def loss(self, hidden_states: Tensor, text_memory: Tensor, offsets: Sequence, batch_data_samples: SampleList,
             references: Tensor | None = None) -> dict[str, Tensor]:
        """Losses of every layer, or only of the last one. Those of the last layer have no prefix, those of layer i
        `di.`.

        Two more values are logged but not minimised: `cardinality_error`, the mean difference between the number of
        queries that predict an object and the number of objects, and with `predict_final` `accuracy_isfinal` of the
        matched queries.

        Args:
            hidden_states: (layers, B, Q, C).
            text_memory: (B, L, C).
            offsets: For each caption the characters [start, end) of its tokens.
            batch_data_samples: With `gt_instances.tokens_positive`.
            references: As for `forward`.
        """
        outputs = self(hidden_states if self.aux_loss else hidden_states[-1:], text_memory, references)
        return self.loss_by_feat(outputs, offsets, batch_data_samples)

    def loss_by_feat(self, outputs: GroundingOutputs, offsets: Sequence, samples: SampleList) -> dict[str, Tensor]:
        """As `loss`, from the head's outputs."""
        objects = self.objects(offsets, samples)
        return self.losses(outputs, objects, match_layers(self.assigner, outputs.logits, outputs.boxes, objects))

    def object_maps(self, offsets: Sequence, sample: DetDataSample) -> Tensor:
        """(N, 256), the tokens of each object of a sample, on the host."""
        instances = sample.gt_instances
        if 'tokens_positive' not in instances:
            raise ValueError(f'{_name(sample.metainfo)}: gt_instances has no tokens_positive, the spans of the '
                             'caption that belong to each box')
        return positive_map(offsets, instances.tokens_positive, normalised=self.normalised_maps)

    def objects(self, offsets: Sequence, samples: SampleList) -> Objects:
        """The objects of a batch with their tokens."""
        return _gather([self.object_maps(*pair) for pair in zip(offsets, samples)], samples)

    def match(self, logits: Tensor, boxes: Tensor, maps: Sequence[Tensor], samples: SampleList) -> list[Matched]:
        """Hungarian matching in each image, for each layer.

        Args:
            logits: (layers, B, Q, 256).
            boxes: (layers, B, Q, 4), relative.
            maps: For each image (N, 256).
            samples: Truth in pixels.
        """
        return match_layers(self.assigner, logits, boxes, _gather(maps, samples)).by_layer()

    def losses(self, outputs: GroundingOutputs, objects: Objects, matched: LayerMatching) -> dict[str, Tensor]:
        """As `loss`, for queries that are matched already."""
        count, = average_factors([len(objects)], outputs.logits.device)
        flat_query, flat_object = matched.flat_query, matched.flat_object
        targets = torch.zeros_like(outputs.logits)
        targets.view(-1, targets.shape[-1])[flat_query] = objects.positive_maps[flat_object].to(targets)
        is_matched = torch.zeros_like(targets[..., 0], dtype=torch.bool)
        is_matched.view(-1).index_fill_(0, flat_query.flatten(), True)
        boxes, truth = outputs.boxes.flatten(0, 2)[flat_query], objects.boxes_cxcywh[flat_object].to(outputs.boxes)
        losses = dict(
            loss_ce=self.loss_cls(outputs.logits, targets, is_matched, count),
            loss_bbox=matched_losses(self.loss_bbox, boxes, truth, count),
            loss_iou=matched_losses(self.loss_iou, bbox_cxcywh_to_xyxy(boxes), bbox_cxcywh_to_xyxy(truth), count))
        detected = (outputs.logits.detach().argmax(dim=-1) != outputs.logits.shape[-1] - 1).sum(dim=-1)  # (layers, B)
        losses['cardinality_error'] = (detected - objects.counts).abs().mean(dim=-1)
        if self.loss_align is not None:
            positive = targets[..., :outputs.tokens.shape[1]] > 0
            losses['loss_align'] = self.loss_align(outputs.queries, outputs.tokens, positive, count)
        if self.fc_final is not None:
            losses |= _final_losses(outputs.isfinal.flatten()[flat_query], objects, flat_object, count)
        return split_by_layer(losses)

    def predict(self, hidden_states: Tensor, text_memory: Tensor, offsets: Sequence, batch_data_samples: SampleList,
                rescale: bool = True, references: Tensor | None = None) -> list[InstanceData]:
        """Boxes of all queries of the last layer, unsorted; arguments as for `loss`.

        Returns:
            For each image `bboxes` (Q, 4) in pixels, of the original image with `rescale`; `scores` (Q, ), 1 less the
            probability of no object; with `predict_final` `scores_refexp` (Q, ), these times the probability of being
            the referent; `labels` (Q, ), zeros; if the sample has `tokens_positive_eval`, `phrase_scores` (Q, P); and
            if all samples have `text`, the phrase of each box in it: `spans`, lists of [begin, end), `phrases`, the
            same texts as `label_names`, and `labels` that number the phrases.
        """
        outputs = self(hidden_states[-1:], text_memory, references)
        return self.predict_by_feat(outputs, offsets, batch_data_samples, rescale)

    def predict_by_feat(self, outputs: GroundingOutputs, offsets: Sequence, samples: SampleList,
                        rescale: bool = True) -> list[InstanceData]:
        """As `predict`, from the head's outputs."""
        shapes = [(sample.ori_shape if rescale else sample.img_shape)[:2] for sample in samples]
        sizes, = pack_to_device([torch.tensor([[width, height] * 2 for height, width in shapes])], outputs.boxes.device)
        boxes = bbox_cxcywh_to_xyxy(outputs.boxes[-1]) * sizes[:, None]
        final = None if outputs.isfinal is None else outputs.isfinal[-1].sigmoid()
        return grounded_instances(boxes, outputs.logits[-1].softmax(dim=-1), final, offsets, samples,
                                  self.phrase_fraction)


def grounded_instances(batch_boxes: Tensor, batch_probabilities: Tensor, final: Tensor | None, offsets: Sequence,
                       samples: SampleList, phrase_fraction: float = PHRASE_FRACTION) -> list[InstanceData]:
    """What `MDETRHead.predict` returns, from boxes and probabilities.

    Args:
        batch_boxes: (B, Q, 4) in pixels.
        batch_probabilities: (B, Q, 256), of the tokens; the last column is that of "no object".
        final: (B, Q), the probabilities of being the referent, or None.
        offsets: For each caption the characters [start, end) of its tokens.
        samples: See `MDETRHead.predict`.
        phrase_fraction: See `MDETRHead`.
    """
    device = batch_boxes.device
    captions = [sample.metainfo.get('text') for sample in samples]
    grounded, labels = None, torch.zeros(batch_boxes.shape[:2], dtype=torch.long, device=device)
    if None not in captions:
        grounded = grounded_phrases(batch_probabilities, offsets, captions, phrase_fraction)
        labels = to_device(torch.tensor([phrases.labels for phrases in grounded]), device)
    results = []
    for i, (tokens, sample, probabilities) in enumerate(zip(offsets, samples, batch_probabilities)):
        instances = InstanceData(bboxes=batch_boxes[i], scores=1 - probabilities[:, -1], labels=labels[i])
        if final is not None:
            instances.scores_refexp = instances.scores * final[i]
        phrases = sample.metainfo.get('tokens_positive_eval')
        if phrases is not None:
            instances.phrase_scores = phrase_scores(probabilities, positive_map(tokens, phrases))
        if grounded is not None:
            instances.spans, instances.phrases = grounded[i].spans, grounded[i].phrases
            instances.label_names = grounded[i].phrases
        results.append(instances)
    return results


def phrase_scores(probabilities: Tensor, maps: Tensor) -> Tensor:
    """The largest probability of a phrase's tokens.

    Args:
        probabilities: (Q, T).
        maps: (P, T), tokens of each phrase; a phrase without tokens scores 0.

    Returns:
        (Q, P).
    """
    chosen = to_device(maps > 1e-6, probabilities.device)
    if not len(maps):
        return probabilities.new_zeros(len(probabilities), 0)
    return (probabilities.unsqueeze(1) * chosen).amax(dim=2)


def _gather(maps: Sequence[Tensor], samples: SampleList) -> Objects:
    return gather_objects([sample.gt_instances for sample in samples], [sample.metainfo for sample in samples], maps)


def _final_losses(logits: Tensor, objects: Objects, flat_object: Tensor, count: float | Tensor) -> dict[str, Tensor]:
    """Of the (layers, M) logits of being the referent and the objects that they are matched with."""
    final = torch.cat([_isfinal(*pair) for pair in zip(objects.instances, objects.metas)])[flat_object].to(logits)
    losses = F.binary_cross_entropy_with_logits(logits, final, reduction='none').sum(dim=1) / count
    right = ((logits.detach() > 0) == (final > 0.5)).float()
    accuracy = right.mean(dim=1) if right.numel() else right.new_ones(len(right))
    return dict(loss_isfinal=losses, accuracy_isfinal=accuracy)


def _isfinal(instances: InstanceData, meta: dict) -> Tensor:
    if 'isfinal' not in instances:
        raise ValueError(f'{_name(meta)}: gt_instances has no isfinal, whether the expression refers to each box, '
                         'which predict_final=True trains')
    return instances.isfinal


def _name(meta: dict) -> str:
    return meta.get('img_path', 'an image')
