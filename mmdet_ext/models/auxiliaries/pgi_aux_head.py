"""Programmable gradient information (YOLOv9, https://arxiv.org/abs/2402.13616, section 4.1): the auxiliary head."""
from collections.abc import Sequence

import torch
import torch.nn as nn
from mmdet.models.utils import unpack_gt_instances
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor

from ..task_modules import Assignment, PaddedAssignment
from .map_checks import check_branch_inputs, check_head_inputs, check_neck_inputs

SOURCES = ('backbone', 'neck')


@MODELS.register_module()
class PGIAuxHead(BaseModule):
    """A second branch and a dense head on it. They are used in training only, for the gradients that they give the
    backbone.

    Args:
        branch: Config of a module that takes (images, maps) and returns maps: `ReversibleBranch`, `PyramidBranch`,
            `IdentityBranch`, or a class of your own.
        head: Config of any dense head of mmdet for these maps. A head of one class, such as mmdet's RPNHead, is given
            all objects as that class.
        loss_weight: Weight of the head's losses.
        neck: Config of a neck of mmdet between branch and head, for a head that reads more maps than the branch gives
            or maps of other channels; None for none.
        source: Whose maps the branch gets: the detector's 'backbone' or its 'neck'.
        lead_guided: Whether to use the main head's assignment here too (the paper's LHG-ICN). Both heads must then be
            `YOLOv9Head` with the same strides.
        init_cfg: As in mmengine.
    """

    def __init__(self, branch: dict, head: dict, loss_weight: float = 0.25, *, neck: dict | None = None,
                 source: str = 'backbone', lead_guided: bool = False, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if not isinstance(loss_weight, (int, float)) or loss_weight <= 0:
            raise ValueError(f'loss_weight should be a positive number, got {loss_weight!r}; for no '
                             'auxiliary head, leave it out')
        if source not in SOURCES:
            raise ValueError(f'aux_head.source should be one of {", ".join(SOURCES)}, got {source!r}')
        self.branch = MODELS.build(branch)
        self.neck = MODELS.build(neck) if neck else nn.Identity()
        self.head = MODELS.build(head)
        self.loss_weight = loss_weight
        self.source = source
        self.lead_guided = lead_guided

    def forward(self, images: Tensor, feats: Sequence[Tensor]) -> Sequence[Tensor]:
        """The maps for the head.

        Args:
            images: (B, 3, H, W), the input of the backbone.
            feats: The maps of `source`.

        Raises:
            ValueError: Branch, neck and head do not fit each other or the maps.
        """
        if len(feats[0]) != len(images):
            raise ValueError(f'an auxiliary head needs a map of each image, got maps of {len(feats[0])} for '
                             f'{len(images)} images')
        check_branch_inputs(self.branch, feats, self.source)
        maps, giver = self.branch(images, feats), type(self.branch).__name__
        if not isinstance(self.neck, nn.Identity):
            check_neck_inputs(self.neck, maps, giver)
            maps, giver = self.neck(maps), type(self.neck).__name__
        check_head_inputs(self.head, maps, tuple(images.shape[-2:]), giver)
        return maps

    def loss(self, images: Tensor, feats: Sequence[Tensor], batch_data_samples: SampleList,
             assignment: Assignment | PaddedAssignment | None = None) -> dict[str, Tensor | list[Tensor]]:
        """The losses of the head, times `loss_weight`, with the prefix `aux.`.

        Args:
            images: (B, 3, H, W), the input of the backbone.
            feats: The maps of `source`.
            batch_data_samples: As mmdet's heads take them.
            assignment: The main head's assignment, for `lead_guided`.
        """
        maps = self(images, feats)
        if getattr(self.head, 'num_classes', None) == 1:
            batch_data_samples = of_one_class(batch_data_samples)
        if assignment is None:
            losses = self.head.loss(maps, batch_data_samples)
        else:
            gts, _, metas = unpack_gt_instances(batch_data_samples)
            losses = self.head.loss_by_feat(*self.head(maps), gts, metas, assignment=assignment)
        return {f'aux.{name}': self._weigh(value) if 'loss' in name else value for name, value in losses.items()}

    def _weigh(self, value: Tensor | Sequence[Tensor]) -> Tensor | list[Tensor]:
        if isinstance(value, Tensor):
            return value * self.loss_weight
        return [level * self.loss_weight for level in value]


def separate_copies(batch_data_samples: SampleList) -> SampleList:
    """Copies with the same tensors, whose fields may be set without a change to these samples."""
    samples = [sample.new() for sample in batch_data_samples]
    for sample in samples:
        for name, instances in sample.items():
            if isinstance(instances, InstanceData):
                setattr(sample, name, instances.new())
    return samples


def of_one_class(batch_data_samples: SampleList) -> SampleList:
    """Copies in which all objects are of class 0."""
    samples = separate_copies(batch_data_samples)
    for sample in samples:
        sample.gt_instances.labels = torch.zeros_like(sample.gt_instances.labels)
    return samples
