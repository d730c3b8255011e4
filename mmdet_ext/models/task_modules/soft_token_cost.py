"""The cost of matching a query to an object by the tokens that it predicts (MDETR, https://arxiv.org/abs/2104.12763)."""
from mmdet.models.task_modules.assigners.match_cost import BaseMatchCost
from mmdet.registry import TASK_UTILS
from mmengine.structures import InstanceData
from torch import Tensor


@TASK_UTILS.register_module()
class SoftTokenCost(BaseMatchCost):
    """Minus the probability of an object's tokens, for mmdet's `HungarianAssigner`.

    Needs `scores` (Q, T) of the predictions, logits, and `positive_maps` (N, T) of the objects.

    Args:
        weight: Factor of the cost.
    """

    def __init__(self, weight: float = 1.) -> None:
        super().__init__(weight)

    def __call__(self, pred_instances: InstanceData, gt_instances: InstanceData, img_meta: dict | None = None,
                 **kwargs) -> Tensor:
        """-> (Q, N)."""
        probabilities = pred_instances.scores.float().softmax(dim=-1)
        return -self.weight * probabilities @ gt_instances.positive_maps.to(probabilities).T
