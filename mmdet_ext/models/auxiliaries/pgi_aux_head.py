"""Programmable gradient information (YOLOv9, https://arxiv.org/abs/2402.13616, section 4.1): the auxiliary head."""
from collections.abc import Sequence

from mmdet.models.utils import unpack_gt_instances
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmengine.model import BaseModule
from torch import Tensor

from ..task_modules import Assignment, PaddedAssignment


@MODELS.register_module()
class PGIAuxHead(BaseModule):
    """A second branch and a dense head on it. They are used in training only, for the gradients that they give the
    backbone.

    Args:
        branch: Config of a module that takes (images, backbone maps) and returns maps: `ReversibleBranch`,
            `PyramidBranch`, or a class of your own.
        head: Config of any dense head of mmdet for these maps.
        loss_weight: Weight of the head's losses.
        lead_guided: Whether to use the main head's assignment here too (the paper's LHG-ICN). Both heads must then be
            `YOLOv9Head` with the same strides.
        init_cfg: As in mmengine.
    """

    def __init__(self, branch: dict, head: dict, loss_weight: float = 0.25, *, lead_guided: bool = False,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if loss_weight <= 0:
            raise ValueError(f'loss_weight should be positive, got {loss_weight}; for no auxiliary head, leave it out')
        self.branch = MODELS.build(branch)
        self.head = MODELS.build(head)
        self.loss_weight = loss_weight
        self.lead_guided = lead_guided

    def loss(self, images: Tensor, feats: Sequence[Tensor], batch_data_samples: SampleList,
             assignment: Assignment | PaddedAssignment | None = None) -> dict[str, Tensor | list[Tensor]]:
        """The losses of the head, times `loss_weight`, with the prefix `aux.`.

        Args:
            images: (B, 3, H, W), the input of the backbone.
            feats: The backbone's maps.
            batch_data_samples: As mmdet's heads take them.
            assignment: The main head's assignment, for `lead_guided`.
        """
        maps = self.branch(images, feats)
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
