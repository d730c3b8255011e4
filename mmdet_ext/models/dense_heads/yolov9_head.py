"""The anchor-free head of YOLOv9 (https://arxiv.org/abs/2402.13616): a box tower and a class tower per level."""
import math
from collections.abc import Sequence

import torch
import torch.nn as nn
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.models.task_modules import MlvlPointGenerator
from mmdet.registry import MODELS, TASK_UTILS
from mmengine.dist import get_world_size
from mmengine.structures import InstanceData
from torch import Tensor

from ..layers import Conv, check_channels, distances_to_boxes, expected_distances
from ..losses import DensePredictions, task_aligned_losses
from ..task_modules import Assignment, BatchTargets, PaddedAssignment, pad_targets
from .postprocess import batch_detections, to_original_images


@MODELS.register_module()
class YOLOv9Head(BaseDenseHead):
    """Predicts for each cell distances to the four sides, as distributions over `reg_max` bins, and class logits; no
    objectness.

    Args:
        num_classes: Number of classes C.
        in_channels: Channels of each level, from fine to coarse.
        strides: Stride of each level in pixels.
        reg_max: Bins per side.
        box_channels: Width of the box towers; by default the first level's channels / 4, at least 64, rounded up to a
            multiple of 4.
        class_channels: Width of the class towers; by default the first level's channels or min(2 C, 128), whichever is
            greater. The published 2.00 M parameters of size t need 80.
        box_gain: Weight of the CIoU loss.
        class_gain: Weight of the classification loss.
        dfl_gain: Weight of the distribution focal loss.
        sum_over_images: Whether losses are multiplied by the number of images of all processes, as in the published
            recipe. Set it to False beside losses of other heads, which are means.
        train_cfg: `dict(assigner=...)`; by default `BatchTaskAlignedAssigner` with its own defaults.
        test_cfg: See `batch_detections`.
        init_cfg: As in mmengine.
    """

    def __init__(self, num_classes: int, in_channels: Sequence[int], strides: Sequence[int] = (8, 16, 32), *,
                 reg_max: int = 16, box_channels: int | None = None, class_channels: int | None = None,
                 box_gain: float = 7.5, class_gain: float = 0.5, dfl_gain: float = 1.5, sum_over_images: bool = True,
                 train_cfg: dict | None = None, test_cfg: dict | None = None, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if num_classes < 1:
            raise ValueError(f'num_classes should be at least 1, got {num_classes}')
        if len(in_channels) != len(strides):
            raise ValueError(f'in_channels and strides should be as many, got {in_channels} and {strides}')
        box_channels = box_channels or math.ceil(max(in_channels[0] // 4, 4 * reg_max, 16) / 4) * 4
        class_channels = class_channels or max(in_channels[0], min(2 * num_classes, 128))
        self.num_classes = num_classes
        self.in_channels = tuple(in_channels)
        self.reg_max = reg_max
        self.strides = tuple(strides)
        self.sum_over_images = sum_over_images
        self.gains = dict(loss_cls=class_gain, loss_bbox=box_gain, loss_dfl=dfl_gain)
        self.box_towers = nn.ModuleList(_tower(c, box_channels, 4 * reg_max, groups=4) for c in in_channels)
        self.class_towers = nn.ModuleList(_tower(c, class_channels, num_classes) for c in in_channels)
        self._init_biases()
        self.prior_generator = MlvlPointGenerator(self.strides)
        self.assigner = TASK_UTILS.build((train_cfg or {}).get('assigner') or dict(type='BatchTaskAlignedAssigner'))
        self.test_cfg = test_cfg

    def forward(self, feats: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Raw maps.

        Args:
            feats: One (B, in_channels[i], H_i, W_i) per level.

        Returns:
            Class logits (B, C, H_i, W_i) and distance logits (B, 4 * reg_max, H_i, W_i) per level; the channel of side
            s (left, top, right, bottom) and bin b is s * reg_max + b.
        """
        check_channels(self, self.in_channels, feats)
        return ([tower(feat) for tower, feat in zip(self.class_towers, feats)],
                [tower(feat) for tower, feat in zip(self.box_towers, feats)])

    def predictions(self, class_maps: Sequence[Tensor], box_maps: Sequence[Tensor]) -> DensePredictions:
        """Join the levels, fine to coarse and row by row, in float32 at least."""
        class_logits, box_logits = (
            torch.cat([x.flatten(2).to(torch.promote_types(x.dtype, torch.float32)) for x in maps], dim=2)
            for maps in (class_maps, box_maps))
        priors = torch.cat(
            self.prior_generator.grid_priors([x.shape[-2:] for x in class_maps], class_logits.dtype,
                                             class_logits.device, with_stride=True))  # (N, 4): x, y, stride, stride
        return DensePredictions(class_logits, box_logits.unflatten(1, (4, self.reg_max)), priors[:, :2], priors[:, 2])

    def loss_by_feat(self, class_maps: Sequence[Tensor], box_maps: Sequence[Tensor],
                     batch_gt_instances: Sequence[InstanceData], batch_img_metas: Sequence[dict],
                     batch_gt_instances_ignore: Sequence[InstanceData] | None = None, *,
                     assignment: Assignment | PaddedAssignment | None = None) -> dict[str, Tensor]:
        """Losses of a batch, times their gains, and with `sum_over_images` times batch size and number of processes.

        Args:
            class_maps: As `forward` returns them.
            box_maps: As `forward` returns them.
            batch_gt_instances: Boxes in pixels of the input and labels, one per image.
            batch_img_metas: Not read.
            batch_gt_instances_ignore: Not read.
            assignment: The assignment of another head over the same points (see `assign`); by default this head's own.

        Returns:
            `loss_cls`, `loss_bbox`, `loss_dfl`, whose sum is to be minimised.
        """
        predictions = self.predictions(class_maps, box_maps)
        with torch.autocast(predictions.points.device.type, enabled=False):
            targets = pad_targets(batch_gt_instances, predictions.points.dtype)
            given = assignment is not None
            if not given:
                assignment = self._assign(predictions, targets)
            # under a lead head's assignment the published loss divides by the plain sum of the scores
            terms = task_aligned_losses(predictions, assignment, targets, min_normaliser=0.0 if given else 1.0)
        scale = len(batch_gt_instances) * get_world_size() if self.sum_over_images else 1
        return {name: value * self.gains[name] * scale for name, value in terms.items()}

    def assign(self, class_maps: Sequence[Tensor], box_maps: Sequence[Tensor],
               batch_gt_instances: Sequence[InstanceData]) -> PaddedAssignment:
        """The assignment of points to boxes by this head's predictions."""
        predictions = self.predictions(class_maps, box_maps)
        return self._assign(predictions, pad_targets(batch_gt_instances, predictions.points.dtype))

    def predict_by_feat(self, class_maps: Sequence[Tensor], box_maps: Sequence[Tensor],
                        batch_img_metas: Sequence[dict], cfg: dict | None = None, rescale: bool = False,
                        with_nms: bool = True) -> list[InstanceData]:
        """Detections of each image as `InstanceData` with `bboxes` (K, 4), `scores` (K,) falling, `labels` (K,).

        Args:
            class_maps: As `forward` returns them.
            box_maps: As `forward` returns them.
            batch_img_metas: With `rescale`, each with `ori_shape`, `scale_factor` and, if padded on the left or at the
                top, `pad_param`.
            cfg: Instead of `test_cfg`.
            rescale: Whether boxes are in pixels of the original image, and clipped to it.
            with_nms: False returns every point with its best class.
        """
        if not with_nms:
            predictions = self.predictions(class_maps, box_maps)
            with torch.autocast(predictions.points.device.type, enabled=False):
                boxes = predictions.boxes().mT
            scores, labels = predictions.class_logits.sigmoid().max(dim=1)  # (B, N)
            results = [InstanceData(bboxes=bboxes, scores=values, labels=classes)
                       for bboxes, values, classes in zip(boxes, scores, labels, strict=True)]
        else:
            class_logits, box_logits = _point_by_point(class_maps), _point_by_point(box_maps)
            priors = torch.cat(self.prior_generator.grid_priors(
                [x.shape[-2:] for x in class_maps], class_logits.dtype, class_logits.device, with_stride=True))

            def boxes_at(images: Tensor, points: Tensor) -> Tensor:
                if len(points) < box_logits.shape[:2].numel():
                    return _boxes(box_logits[images, points], priors[points])
                return _boxes(box_logits, priors)[images, points]  # several classes for most points: once for all

            cfg = dict((self.test_cfg if cfg is None else cfg) or {})
            with torch.autocast(class_logits.device.type, enabled=False):
                results = batch_detections(class_logits, boxes_at, **cfg)
        if rescale:
            to_original_images(results, batch_img_metas)
        return results

    def _assign(self, predictions: DensePredictions, targets: BatchTargets) -> PaddedAssignment:
        with torch.no_grad(), torch.autocast(predictions.points.device.type, enabled=False):
            return self.assigner(predictions.class_logits, predictions.boxes(), predictions.points, targets)

    def _init_biases(self) -> None:
        """Start all distances with the same bias, and class scores as if an image of 640 x 640 pixels had 5 objects."""
        for box_tower, class_tower, stride in zip(self.box_towers, self.class_towers, self.strides):
            nn.init.constant_(box_tower[-1].bias, 1.0)
            nn.init.constant_(class_tower[-1].bias, math.log(5 / self.num_classes / (640 / stride)**2))


def _tower(in_channels: int, hidden_channels: int, out_channels: int, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        Conv(in_channels, hidden_channels, 3), Conv(hidden_channels, hidden_channels, 3, groups=groups),
        nn.Conv2d(hidden_channels, out_channels, 1, groups=groups))


def _point_by_point(maps: Sequence[Tensor]) -> Tensor:
    """Join the levels (B, C, H_i, W_i) to (B, N, C), fine to coarse and row by row, in float32 at least.

    With channels last this only copies, and nothing that is not needed afterwards is decoded.
    """
    joined = torch.cat([x.permute(0, 2, 3, 1).flatten(1, 2) for x in maps], dim=1)
    return joined.to(torch.promote_types(joined.dtype, torch.float32))


def _boxes(logits: Tensor, priors: Tensor) -> Tensor:
    """Distance logits (..., 4 * bins) at priors (..., 4), x, y and stride twice, to (..., 4) as (x1, y1, x2, y2)."""
    distances = expected_distances(logits.unflatten(-1, (4, -1)), dim=-1) * priors[..., 2:3]
    return distances_to_boxes(priors[..., :2], distances)
