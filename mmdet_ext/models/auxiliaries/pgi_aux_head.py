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
    """A branch beside the network and a dense head on it, which exist for their gradients alone.

    Args:
        branch: Config of a module that takes (images, backbone maps) and returns maps: `ReversibleBranch`,
            `PyramidBranch`, or one's own.
        head: Config of any dense head of mmdet for these maps.
        loss_weight: Weight of the head's losses.
        lead_guided: Whether the main head's assignment serves here too (the paper's LHG-ICN). Both heads must then be
            `YOLOv9Head` over the same strides.
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
        """The head's losses, weighted, under names that begin with `aux.`.

        Args:
            images: (B, 3, H, W), as the backbone saw them.
            feats: The backbone's maps.
            batch_data_samples: As mmdet's heads take them.
            assignment: The main head's, where it leads.
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
