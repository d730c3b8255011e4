"""YOLOv9's head with words in the place of classes.

The class-wise form of MDETR's contrastive alignment (https://arxiv.org/abs/2104.12763, equations 1 and 2): each cell
has an embedding, and the logit of a text is its similarity with the embedding of the text.
"""
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn as nn
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmengine.dist import get_world_size
from mmengine.structures import InstanceData
from torch import Tensor

from ..losses import DensePredictions, task_aligned_losses
from ..task_modules import BatchTargets, PaddedAssignment, pad_targets
from .yolov9_head import YOLOv9Head

ABSENT = -1e4  # logit of a text that an image is not asked for; float16 holds it


class TextEmbeddings(NamedTuple):
    """What the images of a batch are asked for, padded to K texts each.

    - embeddings: (B, K, D) of unit length; (1, K, D) if all images are asked for the same.
    - valid: (B, K) bool, False where padded; None for nowhere.
    """
    embeddings: Tensor
    valid: Tensor | None = None


@MODELS.register_module()
class TextYOLOv9Head(YOLOv9Head):
    """`YOLOv9Head` whose class towers end in an embedding of each cell instead of class logits.

    The logit of a text in a cell is exp(log_scale) * <embedding, text> + bias, with a scale and a bias of each level.
    The embedding is normalised over the batch (batch norm), not to unit length, and the text is of unit length. So all
    that follows the tower's last convolution is linear, and `fold` makes one 1x1 convolution of it, that of a
    `YOLOv9Head` of as many classes as there are texts. In evaluation the head always runs that convolution.

    Args:
        embed_dims: Width D of the embeddings.
        in_channels: Channels of each level, from fine to coarse.
        strides: Stride of each level in pixels.
        class_channels: Width of the class towers; by default the first level's channels or 128, whichever is greater.
        usual_texts: For the first bias: of how many texts an image has 5 objects.
        kwargs: As for `YOLOv9Head`.
    """

    def __init__(self, embed_dims: int, in_channels: Sequence[int], strides: Sequence[int] = (8, 16, 32), *,
                 class_channels: int | None = None, usual_texts: int = 80, **kwargs: Any) -> None:
        if embed_dims < 1 or usual_texts < 1:
            raise ValueError(f'embed_dims and usual_texts should be at least 1, got {embed_dims} and {usual_texts}')
        if 'num_classes' in kwargs:
            raise ValueError(f'TextYOLOv9Head takes no num_classes, got {kwargs["num_classes"]}: it is asked for texts')
        super().__init__(embed_dims, in_channels, strides, class_channels=class_channels or max(in_channels[0], 128),
                         **kwargs)
        del self.num_classes  # mmdet compares it with the classes of the data set
        self.embed_dims = embed_dims
        self.log_scales = nn.ParameterList(torch.zeros(()) for _ in strides)
        self.biases = nn.ParameterList(torch.tensor(math.log(5 / usual_texts / (640 / stride)**2))
                                       for stride in strides)
        for tower in self.class_towers:
            nn.init.zeros_(tower[-1].bias)
            tower.append(nn.BatchNorm2d(embed_dims, eps=1e-3, momentum=0.03))
            # random embeddings differ little from cell to cell: with 1 the gradients of texts would drown the others
            nn.init.constant_(tower[-1].weight, 0.1)

    def forward(self, feats: Sequence[Tensor], texts: TextEmbeddings) -> tuple[list[Tensor], list[Tensor]]:
        """Raw maps.

        Args:
            feats: One (B, in_channels[i], H_i, W_i) per level.
            texts: Of the B images.

        Returns:
            Logits of the texts (B, K, H_i, W_i) and distance logits (B, 4 * reg_max, H_i, W_i) per level.
        """
        levels = range(len(self.class_towers))
        class_maps = [self._class_map(level, feat, texts) for level, feat in zip(levels, feats, strict=True)]
        return class_maps, [tower(feat) for tower, feat in zip(self.box_towers, feats, strict=True)]

    def fold(self, level: int, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Weight (..., K, class_channels) and bias (..., K) of the one convolution by which the hidden features of a
        level give the logits of texts, whose embeddings are (..., K, D). It has the batch norm of evaluation."""
        conv, norm = self.class_towers[level][2:]
        weight, bias = conv.weight.flatten(1), conv.bias  # (D, C), (D,)
        factor = norm.weight * (norm.running_var + norm.eps).rsqrt()
        weight, bias = factor[:, None] * weight, factor * (bias - norm.running_mean) + norm.bias
        scaled = self.log_scales[level].exp() * embeddings
        return scaled @ weight, scaled @ bias + self.biases[level]

    def loss(self, feats: Sequence[Tensor], texts: TextEmbeddings, batch_data_samples: SampleList, *,
             assignment: PaddedAssignment | None = None) -> dict[str, Tensor]:
        """As in `YOLOv9Head`; a box may have several texts, see `positive_texts`."""
        return self.loss_by_feat(*self(feats, texts), [sample.gt_instances for sample in batch_data_samples],
                                 [sample.metainfo for sample in batch_data_samples], assignment=assignment)

    def loss_by_feat(self, class_maps: Sequence[Tensor], box_maps: Sequence[Tensor],
                     batch_gt_instances: Sequence[InstanceData], batch_img_metas: Sequence[dict],
                     batch_gt_instances_ignore: Sequence[InstanceData] | None = None, *,
                     assignment: PaddedAssignment | None = None) -> dict[str, Tensor]:
        predictions = self.predictions(class_maps, box_maps)
        with torch.autocast(predictions.points.device.type, enabled=False):
            targets = pad_targets(batch_gt_instances, predictions.points.dtype)
            positives = positive_texts(batch_gt_instances, targets, predictions.class_logits.shape[1])
            given = assignment is not None
            if not given:
                assignment = self._assign_texts(predictions, targets, positives)
            terms = task_aligned_losses(predictions, assignment, targets, positives=positives,
                                        min_normaliser=0.0 if given else 1.0)
        scale = len(batch_gt_instances) * get_world_size() if self.sum_over_images else 1
        return {name: value * self.gains[name] * scale for name, value in terms.items()}

    def assign(self, class_maps: Sequence[Tensor], box_maps: Sequence[Tensor],
               batch_gt_instances: Sequence[InstanceData]) -> PaddedAssignment:
        predictions = self.predictions(class_maps, box_maps)
        targets = pad_targets(batch_gt_instances, predictions.points.dtype)
        positives = positive_texts(batch_gt_instances, targets, predictions.class_logits.shape[1])
        return self._assign_texts(predictions, targets, positives)

    def predict(self, feats: Sequence[Tensor], texts: TextEmbeddings, batch_data_samples: SampleList,
                rescale: bool = False) -> list[InstanceData]:
        """As in `YOLOv9Head`; a label is the number of a text."""
        metas = [sample.metainfo for sample in batch_data_samples]
        return self.predict_by_feat(*self(feats, texts), batch_img_metas=metas, rescale=rescale)

    def _class_map(self, level: int, feat: Tensor, texts: TextEmbeddings) -> Tensor:
        tower = self.class_towers[level]
        if self.training:
            cells = tower(feat)  # (B, D, H, W)
            weight = self.log_scales[level].exp() * texts.embeddings
            logits = _apply(weight, self.biases[level], cells)
        else:
            weight, bias = self.fold(level, texts.embeddings)
            logits = _apply(weight, bias.unsqueeze(-1), tower[:2](feat))
        if texts.valid is None:
            return logits
        return logits.masked_fill(~texts.valid[:, :, None, None], ABSENT)

    def _assign_texts(self, predictions: DensePredictions, targets: BatchTargets,
                      positives: Tensor) -> PaddedAssignment:
        """The score of a point for a box is that of the mean logit of the box's texts."""
        with torch.no_grad(), torch.autocast(predictions.points.device.type, enabled=False):
            shares = positives / positives.sum(dim=2, keepdim=True).clamp(min=1)  # (B, G, K)
            rows = torch.arange(positives.shape[1], device=positives.device).expand(positives.shape[:2])
            return self.assigner(shares @ predictions.class_logits, predictions.boxes(), predictions.points,
                                 targets._replace(labels=rows))


def positive_texts(batch_gt_instances: Sequence[InstanceData], targets: BatchTargets, num_texts: int) -> Tensor:
    """Which texts name each box: (B, G, K), 1 or 0.

    Args:
        batch_gt_instances: Each with `text_targets` (N, K_i), bool, of the image's own K_i texts, which come first; or
            else with `labels` (N,), the number of the one text of each box.
        targets: The same boxes, padded to G.
        num_texts: K.

    Raises:
        ValueError: If there are more texts in `text_targets` than in the batch.
    """
    positives = targets.boxes.new_zeros(*targets.valid.shape, num_texts)
    for row, instances in zip(positives, batch_gt_instances, strict=True):
        if 'text_targets' in instances:
            named = instances.text_targets
            if named.shape[1] > num_texts:
                raise ValueError(f'text_targets are of {named.shape[1]} texts, and the head is asked for {num_texts}')
            row[:len(named), :named.shape[1]] = named
        elif len(instances.labels):
            row[torch.arange(len(instances.labels), device=row.device), instances.labels] = 1
    return positives


def _apply(weight: Tensor, bias: Tensor, cells: Tensor) -> Tensor:
    """Linear maps (B or 1, K, C) of cells (B, C, H, W): (B, K, H, W)."""
    rows = weight @ cells.flatten(2) + bias  # (B, K, H * W)
    return rows.unflatten(2, cells.shape[2:])
