"""Linear decay that reaches its end value after the last epoch."""
from typing import Any

from mmdet.registry import PARAM_SCHEDULERS
from mmengine.optim import LinearLR


@PARAM_SCHEDULERS.register_module()
class EpochLinearLR(LinearLR):
    """Learning rate lr0 * (1 - x / end * (1 - end_factor)) in epoch x = 0, 1, ..., end - 1.

    mmengine's `LinearLR` reaches `end_factor` in the last of these epochs, one epoch earlier. Where `end` is not
    given, the runner sets it to the length of the training.

    Args:
        optimizer: Optimizer or its wrapper.
        end: Number of epochs (iterations with `by_epoch=False`).
        end_factor: Factor on the learning rate that would follow the last epoch, 0 to 1.
    """

    def __init__(self, optimizer: Any, *, end: int, end_factor: float = 0.01, **kwargs: Any) -> None:
        super().__init__(optimizer, start_factor=1., end_factor=end_factor, end=end + 1, **kwargs)
