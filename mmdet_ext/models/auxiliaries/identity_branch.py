"""The auxiliary branch of plain deep supervision (the PFH of YOLOv9's ablation, https://arxiv.org/abs/2402.13616)."""
from collections.abc import Sequence

from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor


@MODELS.register_module()
class IdentityBranch(BaseModule):
    """The detector's own maps as they are: a head on them is plain deep supervision, a neck on them a second pyramid.

    Args:
        in_indices: Which of the maps; None for all of them.
        init_cfg: As in mmengine.

    Shape:
        image (not read) and the maps -> those of `in_indices`
    """

    def __init__(self, in_indices: Sequence[int] | None = None, *, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.in_indices = None if in_indices is None else tuple(in_indices)

    def forward(self, images: Tensor, feats: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(feats) if self.in_indices is None else tuple(feats[i] for i in self.in_indices)
